{{ config(meta={'dagster': {'ref': {'name': 'fct_campaign_performance'}}}) }}
-- Campaigns with more completions than participants, with times of joining but nobody who joined,
-- or with a cost that is not that of their bonus points.
select
    campaign_id,
    participants,
    completed_participants,
    first_joined_at,
    last_joined_at,
    bonus_points,
    bonus_cost,
    budget_limit,
    is_over_budget
from {{ ref('fct_campaign_performance') }}
where
    completed_participants > participants
    or (first_joined_at is null) != (last_joined_at is null)
    or first_joined_at > last_joined_at
    or (participants = 0 and first_joined_at is not null)
    or bonus_cost != round(bonus_points * {{ var('point_value') }}, 2)
    or (bonus_points is null and bonus_cost is not null)
    or is_over_budget is distinct from (
        case when budget_limit is null then false else bonus_cost > budget_limit end
    )

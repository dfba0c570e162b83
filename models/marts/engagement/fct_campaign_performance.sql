-- One row per campaign: who took part, what they earned and spent through it, and what it cost
-- against its budget. Recomputed whole in every run: the recorded counters touch
-- nobody, and the sums are there.
{{ config(
    unique_key=['shop_id', 'campaign_id'],
    indexes=[{'columns': ['shop_id', 'campaign_id'], 'unique': true}],
) }}

with

campaigns as (

    select
        campaign_id,
        shop_id,
        coalesce(bonus_multiplier, 1) as bonus_multiplier,
        max_participants,
        budget_limit,
        current_participants as recorded_participants,
        current_spend as recorded_spend
    from {{ ref('stg_campaigns') }}

),

totals as (

    select * from {{ ref('int_campaign_totals') }}

),

-- Rows of another shop's customers find no campaign here.
performance as (

    select
        campaigns.shop_id,
        campaigns.campaign_id,
        campaigns.max_participants,
        campaigns.budget_limit,
        campaigns.recorded_participants,
        campaigns.recorded_spend,
        totals.first_joined_at,
        totals.last_joined_at,
        coalesce(totals.participants, 0) as participants,
        coalesce(totals.completed_participants, 0) as completed_participants,
        coalesce(totals.points_earned, 0) as points_earned,
        coalesce(totals.orders, 0) as orders,
        coalesce(totals.spend, 0) as spend,
        case
            when coalesce(totals.multiplied_points, 0) = 0 then coalesce(totals.points_earned, 0)
            -- No purchase earns points at a factor of 0; NaN is the greatest of all.
            when campaigns.bonus_multiplier > 0 and campaigns.bonus_multiplier < 'infinity'
                then round(
                    totals.points_earned
                    - totals.multiplied_points / greatest(campaigns.bonus_multiplier, 1)
                )
        end::bigint as bonus_points
    from campaigns
    left join totals
        on
            campaigns.campaign_id = totals.campaign_id
            and campaigns.shop_id = totals.shop_id

),

costs as (

    select
        *,
        {{ money('bonus_points * ' ~ var('point_value')) }} as bonus_cost
    from performance

)

select
    shop_id,
    campaign_id,
    participants,
    completed_participants,
    first_joined_at,
    last_joined_at,
    max_participants,
    coalesce(participants >= max_participants, false) as is_max_participants_reached,
    recorded_participants,
    recorded_participants - participants as participants_difference,
    points_earned,
    orders,
    {{ money('spend') }} as spend,
    bonus_points,
    bonus_cost,
    budget_limit,
    bonus_cost as budget_used,
    case
        when budget_limit > 0 and abs(bonus_cost / budget_limit) < 999
            then bonus_cost / budget_limit
    end::numeric(9, 6) as budget_share,
    case
        when budget_limit is null then false
        else bonus_cost > budget_limit
    end as is_over_budget,
    recorded_spend,
    {{ money('recorded_spend - bonus_cost') }} as spend_difference
from costs

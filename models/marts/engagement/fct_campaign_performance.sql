-- One row per campaign: who took part, what they earned and spent through it, and what it cost
-- against its budget. Recomputed whole in every run: the recorded counters touch nobody.
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

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}

),

participations as (

    select
        campaign_id,
        customer_id,
        joined_at,
        completed_at <= {{ as_of() }} as is_completed
    from {{ ref('stg_campaign_participations') }}

),

entries as (

    select
        shop_id,
        campaign_id,
        -- An empty order id is none.
        nullif(order_id, '') as order_id,
        points_amount,
        -- What the program gives anyway, times the campaign's multiplier; the rest is on top.
        transaction_type = 'earned' and coalesce(source, '') != 'campaign' as is_multiplied
    from {{ ref('fct_point_ledger') }}
    where
        campaign_id is not null
        and transaction_type in ('earned', 'bonus')

),

orders as (

    select
        shop_id,
        order_id,
        amount
    from {{ ref('fct_orders') }}

),

joined as (

    select
        participations.campaign_id,
        customers.shop_id,
        count(distinct participations.customer_id) as participants,
        count(distinct participations.customer_id) filter (
            where participations.is_completed
        ) as completed_participants,
        min(participations.joined_at) as first_joined_at,
        max(participations.joined_at) as last_joined_at
    from participations
    inner join customers
        on participations.customer_id = customers.customer_id
    group by participations.campaign_id, customers.shop_id

),

entries_by_order as (

    select
        shop_id,
        campaign_id,
        order_id,
        sum(points_amount) as points_earned,
        coalesce(sum(points_amount) filter (where is_multiplied), 0) as multiplied_points
    from entries
    group by shop_id, campaign_id, order_id

),

earned as (

    select
        entries_by_order.campaign_id,
        entries_by_order.shop_id,
        sum(entries_by_order.points_earned)::bigint as points_earned,
        sum(entries_by_order.multiplied_points) as multiplied_points,
        count(orders.order_id) as orders,
        sum(orders.amount) as spend
    from entries_by_order
    left join orders
        on
            entries_by_order.shop_id = orders.shop_id
            and entries_by_order.order_id = orders.order_id
    group by entries_by_order.campaign_id, entries_by_order.shop_id

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
        joined.first_joined_at,
        joined.last_joined_at,
        coalesce(joined.participants, 0) as participants,
        coalesce(joined.completed_participants, 0) as completed_participants,
        coalesce(earned.points_earned, 0) as points_earned,
        coalesce(earned.orders, 0) as orders,
        coalesce(earned.spend, 0) as spend,
        case
            when coalesce(earned.multiplied_points, 0) = 0 then coalesce(earned.points_earned, 0)
            -- No purchase earns points at a factor of 0; NaN is the greatest of all.
            when campaigns.bonus_multiplier > 0 and campaigns.bonus_multiplier < 'infinity'
                then round(
                    earned.points_earned
                    - earned.multiplied_points / greatest(campaigns.bonus_multiplier, 1)
                )
        end::bigint as bonus_points
    from campaigns
    left join joined
        on
            campaigns.campaign_id = joined.campaign_id
            and campaigns.shop_id = joined.shop_id
    left join earned
        on
            campaigns.campaign_id = earned.campaign_id
            and campaigns.shop_id = earned.shop_id

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

-- One row per shop and campaign that its customers joined, or have points from: how many, how much,
-- and the orders these points were given for.
{{ config(
    materialized='incremental',
    incremental_strategy='reconcile',
    full_refresh=false,
    unique_key=['shop_id', 'campaign_id'],
    indexes=[{'columns': ['shop_id', 'campaign_id'], 'unique': true}],
    meta={'touched': 'shops'},
) }}

with

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched_shop('shop_id') }}

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
        and {{ is_touched_shop('shop_id') }}

),

orders as (

    select
        shop_id,
        order_id,
        amount
    from {{ ref('fct_orders') }}
    where {{ is_touched_shop('shop_id') }}

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

)

select
    coalesce(joined.shop_id, earned.shop_id) as shop_id,
    coalesce(joined.campaign_id, earned.campaign_id) as campaign_id,
    joined.first_joined_at,
    joined.last_joined_at,
    coalesce(joined.participants, 0) as participants,
    coalesce(joined.completed_participants, 0) as completed_participants,
    coalesce(earned.points_earned, 0) as points_earned,
    coalesce(earned.multiplied_points, 0)::bigint as multiplied_points,
    coalesce(earned.orders, 0) as orders,
    coalesce(earned.spend, 0) as spend
from joined
full join earned
    on
        joined.campaign_id = earned.campaign_id
        and joined.shop_id = earned.shop_id

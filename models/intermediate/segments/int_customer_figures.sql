-- One row per customer to whom anything has happened: orders, activity and points, as segments sum
-- them up. Kept, so that a run counts anew only of whom something came, or left a window.
{{ config(
    materialized='incremental',
    incremental_strategy='reconcile',
    on_schema_change='append_new_columns',
    full_refresh=false,
    unique_key=['customer_id'],
    indexes=[{'columns': ['customer_id'], 'unique': true}],
    meta={'touched': 'figures'},
) }}

with

shops as (

    select
        shop_id,
        timezone,
        {{ local_date(as_of(), 'timezone') }} as last_on
    from {{ ref('int_shops') }}

),

customer_days as (

    select * from {{ ref('int_customer_day_totals') }}
    where {{ is_touched('customer_id', 'figures') }}

),

-- Few: an average is of the orders whose amount is known.
unknown_orders as (

    select
        customer_id,
        shop_id,
        ordered_at
    from {{ ref('fct_orders') }}
    where
        amount is null
        and {{ is_touched('customer_id', 'figures') }}

),

figures as (

    select
        customer_days.shop_id,
        customer_days.customer_id,
        max(customer_days.occurred_on) filter (
            where customer_days.is_active
        ) as last_active_on,
        {%- for days in (30, 90, 365) %}
        sum(customer_days.orders) filter (
            where customer_days.occurred_on > shops.last_on - {{ days }}
        ) as orders_{{ days }}d,
        sum(customer_days.revenue) filter (
            where customer_days.occurred_on > shops.last_on - {{ days }}
        ) as revenue_{{ days }}d,
        {%- endfor %}
        sum(customer_days.points_earned) filter (
            where customer_days.occurred_on > shops.last_on - 365
        ) as points_earned_365d,
        sum(customer_days.points_redeemed) filter (
            where customer_days.occurred_on > shops.last_on - 365
        ) as points_redeemed_365d,
        sum(
            coalesce(customer_days.points_earned, 0) - coalesce(customer_days.points_redeemed, 0)
            - coalesce(customer_days.points_expired, 0)
            + coalesce(customer_days.points_adjusted, 0)
            + coalesce(customer_days.points_refunded, 0) + coalesce(customer_days.points_other, 0)
        ) as points
    from customer_days
    inner join shops on customer_days.shop_id = shops.shop_id
    group by customer_days.customer_id, customer_days.shop_id

),

unknown_counts as (

    select
        unknown_orders.customer_id,
        count(*) as orders_365d
    from unknown_orders
    inner join shops on unknown_orders.shop_id = shops.shop_id
    where {{ local_date('unknown_orders.ordered_at', 'shops.timezone') }} > shops.last_on - 365
    group by unknown_orders.customer_id

)

select
    figures.shop_id,
    figures.customer_id,
    figures.last_active_on,
    coalesce(figures.orders_30d, 0)::bigint as orders_30d,
    coalesce(figures.orders_90d, 0)::bigint as orders_90d,
    coalesce(figures.orders_365d, 0)::bigint as orders_365d,
    (
        coalesce(figures.orders_365d, 0) - coalesce(unknown_counts.orders_365d, 0)
    )::bigint as known_orders_365d,
    coalesce(figures.revenue_30d, 0.00) as revenue_30d,
    coalesce(figures.revenue_90d, 0.00) as revenue_90d,
    coalesce(figures.revenue_365d, 0.00) as revenue_365d,
    coalesce(figures.points_earned_365d, 0)::bigint as points_earned_365d,
    coalesce(figures.points_redeemed_365d, 0)::bigint as points_redeemed_365d,
    figures.points::bigint as points
from figures
left join unknown_counts on figures.customer_id = unknown_counts.customer_id

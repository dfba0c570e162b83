-- One row per segment: what its present members buy and do, beside the average of their shop.
{{ config(
    unique_key='segment_id',
    indexes=[{'columns': ['segment_id'], 'unique': true}, {'columns': ['shop_id']}],
) }}

with

rules as (

    select
        segment_id,
        shop_id,
        name
    from {{ ref('int_segment_rules') }}

),

shops as (

    select
        shop_id,
        timezone,
        {{ local_date(as_of(), 'timezone') }} as last_on
    from {{ ref('int_shops') }}

),

features as (

    select
        shop_id,
        customer_id,
        is_reachable_by_email,
        is_reachable_by_sms
    from {{ ref('int_customer_features') }}

),

stays as (

    select
        segment_id,
        shop_id,
        customer_id
    from {{ ref('segment_stays') }}
    where removed_at is null

),

-- Of every customer, before any segment: who is in ten segments is counted up once.
customer_days as (

    select
        days.customer_id,
        sum(
            coalesce(days.points_earned, 0) - coalesce(days.points_redeemed, 0)
            - coalesce(days.points_expired, 0) + coalesce(days.points_adjusted, 0)
            + coalesce(days.points_refunded, 0) + coalesce(days.points_other, 0)
        ) as points,
        bool_or(days.is_active and days.occurred_on > shops.last_on - 30) as is_active_30d,
        sum(days.orders) filter (where days.occurred_on > shops.last_on - 30) as orders_30d,
        sum(days.orders) filter (where days.occurred_on > shops.last_on - 90) as orders_90d,
        sum(days.orders) filter (where days.occurred_on > shops.last_on - 365) as orders_365d,
        sum(days.revenue) filter (where days.occurred_on > shops.last_on - 30) as revenue_30d,
        sum(days.revenue) filter (where days.occurred_on > shops.last_on - 90) as revenue_90d,
        sum(days.revenue) filter (where days.occurred_on > shops.last_on - 365) as revenue_365d,
        sum(days.points_earned) filter (
            where days.occurred_on > shops.last_on - 365
        ) as points_earned_365d,
        sum(days.points_redeemed) filter (
            where days.occurred_on > shops.last_on - 365
        ) as points_redeemed_365d
    from {{ ref('int_customer_day_totals') }} as days
    inner join shops on days.shop_id = shops.shop_id
    group by days.customer_id

),

-- Few: an average is of the orders whose amount is known.
unknown_orders as (

    select
        orders.customer_id,
        count(*) as orders_365d
    from {{ ref('fct_orders') }} as orders
    inner join shops on orders.shop_id = shops.shop_id
    where
        orders.amount is null
        and {{ local_date('orders.ordered_at', 'shops.timezone') }} > shops.last_on - 365
    group by orders.customer_id

),

customers as (

    select
        features.shop_id,
        features.customer_id,
        features.is_reachable_by_email,
        features.is_reachable_by_sms,
        customer_days.points,
        customer_days.is_active_30d,
        customer_days.orders_30d,
        customer_days.orders_90d,
        customer_days.orders_365d,
        customer_days.orders_365d - coalesce(unknown_orders.orders_365d, 0) as known_orders_365d,
        customer_days.revenue_30d,
        customer_days.revenue_90d,
        customer_days.revenue_365d,
        customer_days.points_earned_365d,
        customer_days.points_redeemed_365d
    from features
    left join customer_days on features.customer_id = customer_days.customer_id
    left join unknown_orders on features.customer_id = unknown_orders.customer_id

),

-- The shop as a whole is the segment NULL.
members as (

    select
        stays.segment_id,
        customers.*
    from stays
    inner join customers
        on
            stays.customer_id = customers.customer_id
            and stays.shop_id = customers.shop_id

    union all

    select
        null as segment_id,
        customers.*
    from customers

),

totals as (

    select
        shop_id,
        segment_id,
        count(*) as customers,
        count(*) filter (where is_active_30d) as active_members_30d,
        count(*) filter (where orders_365d > 0) as buyers_365d,
        coalesce(sum(orders_30d), 0) as orders_30d,
        coalesce(sum(orders_90d), 0) as orders_90d,
        coalesce(sum(orders_365d), 0) as orders_365d,
        coalesce(sum(known_orders_365d), 0) as known_orders_365d,
        coalesce(sum(revenue_30d), 0) as revenue_30d,
        coalesce(sum(revenue_90d), 0) as revenue_90d,
        coalesce(sum(revenue_365d), 0) as revenue_365d,
        coalesce(sum(points_earned_365d), 0) as points_earned_365d,
        coalesce(sum(points_redeemed_365d), 0) as points_redeemed_365d,
        coalesce(sum(points), 0) as points_outstanding,
        count(*) filter (where is_reachable_by_email) as reachable_by_email,
        count(*) filter (where is_reachable_by_sms) as reachable_by_sms
    from members
    group by shop_id, segment_id

),

segment_figures as (

    select * from totals
    where segment_id is not null

),

shop_figures as (

    select * from totals
    where segment_id is null

)

select
    rules.shop_id,
    rules.segment_id,
    rules.name,
    coalesce(figures.customers, 0) as customers,
    {{ rate('coalesce(figures.customers, 0)', 'whole.customers') }} as share_of_customers,
    coalesce(figures.active_members_30d, 0) as active_members_30d,
    {{ rate('figures.active_members_30d', 'figures.customers') }} as active_rate_30d,
    coalesce(figures.orders_30d, 0)::bigint as orders_30d,
    coalesce(figures.orders_90d, 0)::bigint as orders_90d,
    coalesce(figures.orders_365d, 0)::bigint as orders_365d,
    coalesce(figures.buyers_365d, 0) as buyers_365d,
    {{ money('coalesce(figures.revenue_30d, 0)') }} as revenue_30d,
    {{ money('coalesce(figures.revenue_90d, 0)') }} as revenue_90d,
    {{ money('coalesce(figures.revenue_365d, 0)') }} as revenue_365d,
    {{ rate('coalesce(figures.revenue_365d, 0)', 'whole.revenue_365d') }} as share_of_revenue_365d,
    {{ money('figures.revenue_365d / figures.customers') }} as revenue_per_customer_365d,
    {{ money(
        'figures.revenue_365d / nullif(figures.known_orders_365d, 0)'
    ) }} as avg_order_value_365d,
    coalesce(figures.points_earned_365d, 0)::bigint as points_earned_365d,
    coalesce(figures.points_redeemed_365d, 0)::bigint as points_redeemed_365d,
    {{ rate(
        'figures.points_redeemed_365d', 'figures.points_earned_365d'
    ) }} as redemption_rate_365d,
    coalesce(figures.points_outstanding, 0)::bigint as points_outstanding,
    {{ money(
        'coalesce(figures.points_outstanding, 0) * ' ~ var('point_value')
    ) }} as points_liability,
    {{ rate(
        'coalesce(figures.points_outstanding, 0)', 'whole.points_outstanding'
    ) }} as share_of_points,
    coalesce(figures.reachable_by_email, 0) as reachable_by_email,
    {{ rate('figures.reachable_by_email', 'figures.customers') }} as email_rate,
    coalesce(figures.reachable_by_sms, 0) as reachable_by_sms,
    {{ rate('figures.reachable_by_sms', 'figures.customers') }} as sms_rate,
    -- A rate of the segment by that of the shop, in one division.
    {{ rate(
        'figures.active_members_30d * whole.customers',
        'figures.customers * whole.active_members_30d'
    ) }} as activity_index,
    {{ rate(
        'figures.revenue_365d * whole.customers',
        'figures.customers * whole.revenue_365d'
    ) }} as revenue_index,
    {{ rate(
        'figures.revenue_365d * whole.known_orders_365d',
        'figures.known_orders_365d * whole.revenue_365d'
    ) }} as order_value_index,
    {{ rate(
        'figures.points_redeemed_365d * nullif(greatest(whole.points_earned_365d, 0), 0)',
        'greatest(figures.points_earned_365d, 0) * greatest(whole.points_redeemed_365d, 0)'
    ) }} as redemption_index,
    {{ rate(
        'figures.reachable_by_email * whole.customers',
        'figures.customers * whole.reachable_by_email'
    ) }} as email_index,
    {{ rate(
        'figures.reachable_by_sms * whole.customers',
        'figures.customers * whole.reachable_by_sms'
    ) }} as sms_index
from rules
left join segment_figures as figures on rules.segment_id = figures.segment_id
left join shop_figures as whole on rules.shop_id = whole.shop_id

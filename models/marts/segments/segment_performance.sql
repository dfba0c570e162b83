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

figures as (

    select * from {{ ref('int_customer_figures') }}

),

customers as (

    select
        features.shop_id,
        features.customer_id,
        features.is_reachable_by_email,
        features.is_reachable_by_sms,
        figures.last_active_on > shops.last_on - 30 as is_active_30d,
        figures.orders_30d,
        figures.orders_90d,
        figures.orders_365d,
        figures.known_orders_365d,
        figures.revenue_30d,
        figures.revenue_90d,
        figures.revenue_365d,
        figures.points_earned_365d,
        figures.points_redeemed_365d,
        figures.points
    from features
    inner join shops on features.shop_id = shops.shop_id
    left join figures on features.customer_id = figures.customer_id

),

-- The shop as a whole is the segment NULL.
members as (

    select
        stays.segment_id,
        customers.*
    from stays
    inner join customers on stays.customer_id = customers.customer_id
    -- A CASE, as int_segment_contacts tells.
    where case when stays.shop_id = customers.shop_id then true end

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

segment_totals as (

    select * from totals
    where segment_id is not null

),

shop_totals as (

    select * from totals
    where segment_id is null

)

select
    rules.shop_id,
    rules.segment_id,
    rules.name,
    coalesce(segment_totals.customers, 0) as customers,
    {{ rate(
        'coalesce(segment_totals.customers, 0)', 'shop_totals.customers'
    ) }} as share_of_customers,
    coalesce(segment_totals.active_members_30d, 0) as active_members_30d,
    {{ rate('segment_totals.active_members_30d', 'segment_totals.customers') }} as active_rate_30d,
    coalesce(segment_totals.orders_30d, 0)::bigint as orders_30d,
    coalesce(segment_totals.orders_90d, 0)::bigint as orders_90d,
    coalesce(segment_totals.orders_365d, 0)::bigint as orders_365d,
    coalesce(segment_totals.buyers_365d, 0) as buyers_365d,
    {{ money('coalesce(segment_totals.revenue_30d, 0)') }} as revenue_30d,
    {{ money('coalesce(segment_totals.revenue_90d, 0)') }} as revenue_90d,
    {{ money('coalesce(segment_totals.revenue_365d, 0)') }} as revenue_365d,
    {{ rate(
        'coalesce(segment_totals.revenue_365d, 0)', 'shop_totals.revenue_365d'
    ) }} as share_of_revenue_365d,
    {{ money(
        'segment_totals.revenue_365d / segment_totals.customers'
    ) }} as revenue_per_customer_365d,
    {{ money(
        'segment_totals.revenue_365d / nullif(segment_totals.known_orders_365d, 0)'
    ) }} as avg_order_value_365d,
    coalesce(segment_totals.points_earned_365d, 0)::bigint as points_earned_365d,
    coalesce(segment_totals.points_redeemed_365d, 0)::bigint as points_redeemed_365d,
    {{ rate(
        'segment_totals.points_redeemed_365d', 'segment_totals.points_earned_365d'
    ) }} as redemption_rate_365d,
    coalesce(segment_totals.points_outstanding, 0)::bigint as points_outstanding,
    {{ money(
        'coalesce(segment_totals.points_outstanding, 0) * ' ~ var('point_value')
    ) }} as points_liability,
    {{ rate(
        'coalesce(segment_totals.points_outstanding, 0)', 'shop_totals.points_outstanding'
    ) }} as share_of_points,
    coalesce(segment_totals.reachable_by_email, 0) as reachable_by_email,
    {{ rate('segment_totals.reachable_by_email', 'segment_totals.customers') }} as email_rate,
    coalesce(segment_totals.reachable_by_sms, 0) as reachable_by_sms,
    {{ rate('segment_totals.reachable_by_sms', 'segment_totals.customers') }} as sms_rate,
    -- A rate of the segment by that of the shop, in one division.
    {{ rate(
        'segment_totals.active_members_30d * shop_totals.customers',
        'segment_totals.customers * shop_totals.active_members_30d'
    ) }} as activity_index,
    {{ rate(
        'segment_totals.revenue_365d * shop_totals.customers',
        'segment_totals.customers * shop_totals.revenue_365d'
    ) }} as revenue_index,
    {{ rate(
        'segment_totals.revenue_365d * shop_totals.known_orders_365d',
        'segment_totals.known_orders_365d * shop_totals.revenue_365d'
    ) }} as order_value_index,
    {{ rate(
        'segment_totals.points_redeemed_365d * nullif(greatest(shop_totals.points_earned_365d, 0), 0)',
        'greatest(segment_totals.points_earned_365d, 0) * greatest(shop_totals.points_redeemed_365d, 0)'
    ) }} as redemption_index,
    {{ rate(
        'segment_totals.reachable_by_email * shop_totals.customers',
        'segment_totals.customers * shop_totals.reachable_by_email'
    ) }} as email_index,
    {{ rate(
        'segment_totals.reachable_by_sms * shop_totals.customers',
        'segment_totals.customers * shop_totals.reachable_by_sms'
    ) }} as sms_index
from rules
left join segment_totals on rules.segment_id = segment_totals.segment_id
left join shop_totals on rules.shop_id = shop_totals.shop_id

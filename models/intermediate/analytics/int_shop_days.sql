-- One row per shop and local day, from the shop's first event to as_of without a gap, and one
-- without a day for what has no time.
{{ config(materialized='table', unlogged=true) }}

with

shops as (

    select
        shop_id,
        timezone
    from {{ ref('int_shops') }}
    where {{ is_touched_shop('shop_id') }}

),

first_days as (

    select
        shop_id,
        min(occurred_on) as first_on
    from {{ ref('int_customer_days') }}
    where {{ is_touched_shop('shop_id') }}
    group by shop_id

),

calendar as (

    select
        shops.shop_id,
        day.day::date as day_on
    from shops
    inner join first_days
        on shops.shop_id = first_days.shop_id
    cross join lateral generate_series(
        first_days.first_on::timestamp,
        {{ local_date(as_of(), 'shops.timezone') }}::timestamp,
        interval '1 day'
    ) as day (day)

),

event_days as (

    select
        shop_id,
        occurred_on as day_on,
        count(*) filter (where is_active) as active_customers,
        count(*) filter (where is_first_in_week) as newly_active_in_week,
        count(*) filter (where is_first_in_month) as newly_active_in_month,
        sum(new_customers) as new_customers,
        sum(points_earned) as points_earned,
        sum(points_redeemed) as points_redeemed,
        sum(points_expired) as points_expired,
        sum(points_adjusted) as points_adjusted,
        sum(points_refunded) as points_refunded,
        sum(points_other) as points_other,
        sum(revenue) as revenue,
        sum(loyalty_revenue) as loyalty_revenue,
        sum(redemptions) as redemptions,
        sum(referrals) as referrals,
        sum(participations) as participations,
        sum(tier_upgrades) as tier_upgrades,
        sum(tier_downgrades) as tier_downgrades
    from {{ ref('int_customer_days') }}
    where {{ is_touched_shop('shop_id') }}
    group by shop_id, occurred_on

)

-- The calendar holds every day with an event: only the row without a day is the right side's alone.
select
    coalesce(calendar.shop_id, event_days.shop_id) as shop_id,
    coalesce(calendar.day_on, event_days.day_on) as day_on,
    coalesce(event_days.active_customers, 0)::bigint as active_customers,
    coalesce(event_days.newly_active_in_week, 0)::bigint as newly_active_in_week,
    coalesce(event_days.newly_active_in_month, 0)::bigint as newly_active_in_month,
    coalesce(event_days.new_customers, 0)::bigint as new_customers,
    coalesce(event_days.points_earned, 0)::bigint as points_earned,
    coalesce(event_days.points_redeemed, 0)::bigint as points_redeemed,
    coalesce(event_days.points_expired, 0)::bigint as points_expired,
    coalesce(event_days.points_adjusted, 0)::bigint as points_adjusted,
    coalesce(event_days.points_refunded, 0)::bigint as points_refunded,
    coalesce(event_days.points_other, 0)::bigint as points_other,
    coalesce(event_days.revenue, 0.00) as revenue,
    coalesce(event_days.loyalty_revenue, 0.00) as loyalty_revenue,
    coalesce(event_days.redemptions, 0)::bigint as redemptions,
    coalesce(event_days.referrals, 0)::bigint as referrals,
    coalesce(event_days.participations, 0)::bigint as participations,
    coalesce(event_days.tier_upgrades, 0)::bigint as tier_upgrades,
    coalesce(event_days.tier_downgrades, 0)::bigint as tier_downgrades
from calendar
full outer join event_days
    on
        calendar.shop_id = event_days.shop_id
        and calendar.day_on = event_days.day_on

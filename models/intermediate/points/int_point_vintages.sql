-- One row per shop, local month in which points were issued (a vintage), and month since then, up
-- to as_of's: what had become of the vintage's points by the end of that month.
{{ config(
    materialized='incremental',
    incremental_strategy='reconcile',
    full_refresh=false,
    unique_key=['shop_id', 'earn_month', 'months_since'],
    indexes=[{'columns': ['shop_id', 'earn_month', 'months_since'], 'unique': true}],
    meta={'touched': 'shops'},
) }}

with

shops as (

    select
        shop_id,
        timezone,
        {{ period_start(local_date(as_of(), 'timezone'), "'monthly'") }} as last_month
    from {{ ref('int_shops') }}
    where {{ is_touched_shop('shop_id') }}

),

-- Months count from January 2000: no time is before that year, but for hours of time zones.
calendar_months as (

    select
        shops.shop_id,
        shops.timezone,
        month.month
    from shops
    cross join lateral generate_series(
        timestamp '2000-01-01', shops.last_month::timestamp, interval '1 month'
    ) as month (month)

),

-- The instants at which the months of a shop begin: a search among them tells the month of a lot in
-- a fraction of the time that its local date takes.
calendars as (

    select
        shop_id,
        array_agg({{ local_midnight('month', 'timezone') }} order by month) as month_starts
    from calendar_months
    group by shop_id

),

-- A lot without a time is of no month.
issues as (

    select
        lots.shop_id,
        width_bucket(lots.earned_at, calendars.month_starts) as earn_month_no,
        sum(lots.points_issued) as issued
    from {{ ref('fct_point_lots') }} as lots
    inner join calendars on calendars.shop_id = lots.shop_id
    where
        lots.earned_at is not null
        and {{ is_touched_shop('lots.shop_id') }}
    group by lots.shop_id, earn_month_no

),

-- A lot with a time has it in all its allocations: these happen at the later of lot and debit, and
-- undated debits come first. What was taken from lots without a time meets no vintage below.
takings as (

    select
        allocations.shop_id,
        width_bucket(allocations.earned_at, calendars.month_starts) as earn_month_no,
        width_bucket(allocations.allocated_at, calendars.month_starts) as taken_month_no,
        sum(allocations.points) filter (where allocations.taken_by = 'redeemed') as redeemed,
        sum(allocations.points) filter (where allocations.taken_by = 'expired') as expired,
        sum(allocations.points) filter (where allocations.taken_by = 'reversed') as reversed
    from {{ ref('fct_point_lot_allocations') }} as allocations
    inner join calendars on calendars.shop_id = allocations.shop_id
    where {{ is_touched_shop('allocations.shop_id') }}
    group by allocations.shop_id, earn_month_no, taken_month_no

),

months as (

    select
        issues.shop_id,
        issues.earn_month_no,
        issues.issued,
        month.month_no,
        month.month_no < cardinality(calendars.month_starts) as is_complete
    from issues
    inner join calendars
        on calendars.shop_id = issues.shop_id
    cross join lateral generate_series(
        issues.earn_month_no, cardinality(calendars.month_starts)
    ) as month (month_no)

),

developed as (

    select
        months.shop_id,
        months.earn_month_no,
        months.month_no,
        months.is_complete,
        months.issued,
        coalesce(sum(takings.redeemed) over vintage, 0) as redeemed,
        coalesce(sum(takings.expired) over vintage, 0) as expired,
        coalesce(sum(takings.reversed) over vintage, 0) as reversed
    from months
    left join takings
        on
            takings.shop_id = months.shop_id
            and takings.earn_month_no = months.earn_month_no
            and takings.taken_month_no = months.month_no
    window vintage as (
        partition by months.shop_id, months.earn_month_no
        order by months.month_no
        rows between unbounded preceding and current row
    )

)

select
    shop_id,
    (date '2000-01-01' + make_interval(months => earn_month_no - 1))::date as earn_month,
    month_no - earn_month_no as months_since,
    is_complete,
    issued::bigint as issued,
    redeemed::bigint as redeemed,
    expired::bigint as expired,
    reversed::bigint as reversed,
    (issued - redeemed - expired - reversed)::bigint as remaining
from developed

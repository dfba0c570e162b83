-- One row per shop, local month in which points were issued (a vintage), and month since then, up to
-- as_of's: what had become of the vintage's points by the end of that month.
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

-- A lot without a time is of no month. One with a time has it in all its allocations, as an
-- allocation happens at the later of its lot and its debit, and undated debits come first.
dated_lots as (

    select
        lots.shop_id,
        lots.customer_id,
        lots.lot_id,
        lots.points_issued,
        {{ period_start(local_date('lots.earned_at', 'shops.timezone'), "'monthly'") }} as earn_month
    from {{ ref('fct_point_lots') }} as lots
    inner join shops on shops.shop_id = lots.shop_id
    where
        lots.earned_at is not null
        and {{ is_touched_shop('lots.shop_id') }}

),

dated_allocations as (

    select
        allocations.customer_id,
        allocations.lot_id,
        allocations.taken_by,
        allocations.points,
        {{ period_start(local_date('allocations.allocated_at', 'shops.timezone'), "'monthly'") }}
            as taken_month
    from {{ ref('fct_point_lot_allocations') }} as allocations
    inner join shops on shops.shop_id = allocations.shop_id
    where
        allocations.allocated_at is not null
        and {{ is_touched_shop('allocations.shop_id') }}

),

issues as (

    select
        shop_id,
        earn_month,
        sum(points_issued) as issued
    from dated_lots
    group by shop_id, earn_month

),

takings as (

    select
        dated_lots.shop_id,
        dated_lots.earn_month,
        dated_allocations.taken_month,
        sum(dated_allocations.points) filter (where dated_allocations.taken_by = 'redeemed')
            as redeemed,
        sum(dated_allocations.points) filter (where dated_allocations.taken_by = 'expired')
            as expired,
        sum(dated_allocations.points) filter (where dated_allocations.taken_by = 'reversed')
            as reversed
    from dated_allocations
    inner join dated_lots
        on
            dated_lots.customer_id = dated_allocations.customer_id
            and dated_lots.lot_id = dated_allocations.lot_id
    group by dated_lots.shop_id, dated_lots.earn_month, dated_allocations.taken_month

),

months as (

    select
        issues.shop_id,
        issues.earn_month,
        issues.issued,
        month.month::date as month,
        month.month::date < shops.last_month as is_complete,
        row_number() over (
            partition by issues.shop_id, issues.earn_month
            order by month.month
        ) - 1 as months_since
    from issues
    inner join shops on shops.shop_id = issues.shop_id
    cross join lateral generate_series(
        issues.earn_month::timestamp, shops.last_month::timestamp, interval '1 month'
    ) as month (month)

),

developed as (

    select
        months.shop_id,
        months.earn_month,
        months.months_since,
        months.is_complete,
        months.issued,
        coalesce(sum(takings.redeemed) over vintage, 0) as redeemed,
        coalesce(sum(takings.expired) over vintage, 0) as expired,
        coalesce(sum(takings.reversed) over vintage, 0) as reversed
    from months
    left join takings
        on
            takings.shop_id = months.shop_id
            and takings.earn_month = months.earn_month
            and takings.taken_month = months.month
    window vintage as (
        partition by months.shop_id, months.earn_month
        order by months.months_since
        rows between unbounded preceding and current row
    )

)

select
    shop_id,
    earn_month,
    months_since::integer as months_since,
    is_complete,
    issued::bigint as issued,
    redeemed::bigint as redeemed,
    expired::bigint as expired,
    reversed::bigint as reversed,
    (issued - redeemed - expired - reversed)::bigint as remaining
from developed

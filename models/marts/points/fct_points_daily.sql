-- One row per shop and local day, from the shop's first dated entry to as_of. What a shop will
-- redeem may depend on all others.
{{ config(
    unique_key=['shop_id', 'date'],
    indexes=[{'columns': ['shop_id', 'date'], 'unique': true}],
    meta={'touched': 'liabilities'},
) }}

with

shops as (

    select
        shop_id,
        timezone,
        {{ local_date(as_of(), 'timezone') }} as last_date
    from {{ ref('int_shops') }}

),

customer_days as (

    select
        shop_id,
        nullif(occurred_on, '-infinity') as date,
        points_earned,
        points_bonus,
        points_adjusted,
        points_refunded,
        points_redeemed,
        points_expired,
        points_other
    from {{ ref('int_customer_day_totals') }}
    where
        entries > 0
        and {{ is_touched_shop('shop_id', 'liabilities') }}

),

-- Undated entries (date NULL) are before the first day: they are in every opening balance.
flows as (

    select
        shop_id,
        date,
        coalesce(sum(points_earned), 0) - coalesce(sum(points_bonus), 0) as earned,
        coalesce(sum(points_bonus), 0) as bonus,
        coalesce(sum(points_adjusted), 0) as adjusted,
        coalesce(sum(points_refunded), 0) as refunded,
        coalesce(sum(points_redeemed), 0) as redeemed,
        coalesce(sum(points_expired), 0) as expired,
        coalesce(sum(points_earned), 0)
        + coalesce(sum(points_adjusted), 0)
        + coalesce(sum(points_refunded), 0)
        - coalesce(sum(points_redeemed), 0)
        - coalesce(sum(points_expired), 0)
        + coalesce(sum(points_other), 0) as net
    from customer_days
    group by shop_id, date

),

openings as (

    select
        flows.shop_id,
        coalesce(min(flows.date), min(shops.last_date)) as first_date,
        min(shops.last_date) as last_date,
        coalesce(sum(flows.net) filter (where flows.date is null), 0) as undated
    from flows
    inner join shops on shops.shop_id = flows.shop_id
    group by flows.shop_id

),

days as (

    select
        openings.shop_id,
        calendar.date::date as date,
        openings.undated
    from openings
    cross join lateral generate_series(
        openings.first_date::timestamp, openings.last_date::timestamp, interval '1 day'
    ) as calendar (date)

),

rolled as (

    select
        days.shop_id,
        days.date,
        days.undated + sum(coalesce(flows.net, 0)) over (
            partition by days.shop_id
            order by days.date
        ) as closing_points,
        coalesce(flows.net, 0) as net,
        coalesce(flows.earned, 0) as earned,
        coalesce(flows.bonus, 0) as bonus,
        coalesce(flows.adjusted, 0) as adjusted,
        coalesce(flows.refunded, 0) as refunded,
        coalesce(flows.redeemed, 0) as redeemed,
        coalesce(flows.expired, 0) as expired
    from days
    left join flows on flows.shop_id = days.shop_id and flows.date = days.date

),

breakage as (

    select
        shop_id,
        expected_breakage
    from {{ ref('int_breakage') }}

)

select
    rolled.shop_id,
    rolled.date,
    (rolled.closing_points - rolled.net)::bigint as opening_points,
    rolled.earned::bigint as earned,
    rolled.bonus::bigint as bonus,
    rolled.adjusted::bigint as adjusted,
    rolled.refunded::bigint as refunded,
    rolled.redeemed::bigint as redeemed,
    rolled.expired::bigint as expired,
    (
        rolled.net - rolled.earned - rolled.bonus - rolled.adjusted - rolled.refunded
        + rolled.redeemed + rolled.expired
    )::bigint as other,
    rolled.closing_points::bigint as closing_points,
    {{ money('rolled.closing_points * ' ~ var('point_value')) }} as points_liability,
    {{ money(
        'rolled.closing_points * ' ~ var('point_value') ~ ' * (1 - breakage.expected_breakage)'
    ) }} as management_liability
from rolled
left join breakage on breakage.shop_id = rolled.shop_id

{{ config(meta={'dagster': {'ref': {'name': 'loyalty_analytics'}}}) }}
-- A period opens with what the one before closed with; opening points and flows come to the closing
-- points, entries of unknown types included; and the last closing is the ledger's balance.
with

periods as (

    select
        shop_id,
        period_type,
        date,
        opening_points,
        closing_points,
        points_earned - points_redeemed - points_expired
        + points_adjusted + points_refunded as points_change,
        lag(closing_points) over shop_periods as previous_closing_points,
        lead(date) over shop_periods as next_date
    from {{ ref('loyalty_analytics') }}
    where {{ is_touched_shop('shop_id') }}
    window shop_periods as (partition by shop_id, period_type order by date)

),

unknown_entries as (

    select
        days.shop_id,
        period.period_type,
        {{ period_start('days.date', 'period.period_type') }} as starts_on,
        sum(days.other) as points_other
    from {{ ref('fct_points_daily') }} as days
    cross join (values ('daily'), ('weekly'), ('monthly')) as period (period_type)
    group by days.shop_id, period.period_type, starts_on

),

balances as (

    select
        shop_id,
        sum(points_amount) as points
    from {{ ref('fct_point_ledger') }}
    where {{ is_touched_shop('shop_id') }}
    group by shop_id

)

select
    periods.shop_id,
    periods.period_type,
    periods.date,
    periods.previous_closing_points,
    periods.opening_points,
    periods.points_change,
    coalesce(unknown_entries.points_other, 0) as points_other,
    periods.closing_points,
    balances.points as ledger_points
from periods
left join unknown_entries
    on
        periods.shop_id = unknown_entries.shop_id
        and periods.period_type = unknown_entries.period_type
        and periods.date = unknown_entries.starts_on
left join balances
    on periods.shop_id = balances.shop_id
where
    periods.previous_closing_points != periods.opening_points
    or periods.opening_points + periods.points_change + coalesce(unknown_entries.points_other, 0)
    != periods.closing_points
    or (periods.next_date is null and periods.closing_points != coalesce(balances.points, 0))

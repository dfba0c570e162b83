{{ config(meta={'dagster': {'ref': {'name': 'fct_points_daily'}}}) }}
-- Days that do not start where the day before ended, do not tie out, or, on a shop's last day, do
-- not end at the balances of the ledger.
with

days as (

    select
        *,
        lag(closing_points) over calendar as closed_before,
        lag(date) over calendar as date_before,
        lead(date) over calendar is null as is_last
    from {{ ref('fct_points_daily') }}
    where {{ is_touched_shop('shop_id') }}
    window calendar as (
        partition by shop_id
        order by date
    )

),

balances as (

    select
        shop_id,
        sum(points_amount) as balance
    from {{ ref('fct_point_ledger') }}
    where {{ is_touched_shop('shop_id') }}
    group by shop_id

)

select
    days.shop_id,
    days.date,
    days.opening_points,
    days.closing_points,
    days.closed_before,
    balances.balance
from days
left join balances on balances.shop_id = days.shop_id
where
    days.closing_points <> days.opening_points + days.earned + days.bonus + days.adjusted
    + days.refunded - days.redeemed - days.expired + days.other
    or days.opening_points <> days.closed_before
    or days.date <> days.date_before + 1
    or (days.is_last and days.closing_points is distinct from balances.balance)

-- One row per customer whose figures this run computes again: the touched ones, and those of whom a
-- day has left one of the windows since the last run. None in a run that computes everything.
{{ config(materialized='table', unlogged=true) }}

with

shops as (

    select
        shop_id,
        {{ local_date(this_run().as_of, 'timezone') }} as was_last_on,
        {{ local_date(as_of(), 'timezone') }} as last_on
    from {{ ref('int_shops') }}
    where not {{ this_run().is_full }}

),

left_behind as (

    select
        shops.shop_id,
        shops.was_last_on - windows.days as after_on,
        shops.last_on - windows.days as until_on
    from shops
    cross join (values (30), (90), (365)) as windows (days)
    where shops.was_last_on < shops.last_on

)

select customer_id
from {{ ref('int_touched_customers') }}

union

select days.customer_id
from left_behind
inner join {{ ref('int_customer_day_totals') }} as days
    on
        left_behind.shop_id = days.shop_id
        and left_behind.after_on < days.occurred_on
        and left_behind.until_on >= days.occurred_on

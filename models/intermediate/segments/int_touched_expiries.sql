-- One row per customer whose upcoming expiries this run computes again: the touched ones, and those
-- of whom a lot has come within 30 days since the last run. None in a run that computes everything.
{{ config(materialized='table', unlogged=true) }}

with

-- As the rule language counts: to the end of the 30th local day after as_of.
horizons as (

    select
        shop_id,
        {{ local_midnight(
            '(' ~ local_date(this_run().as_of, 'timezone') ~ ' + 31)', 'timezone'
        ) }} as was_until,
        {{ local_midnight(
            '(' ~ local_date(as_of(), 'timezone') ~ ' + 31)', 'timezone'
        ) }} as is_until
    from {{ ref('int_shops') }}
    where not {{ this_run().is_full }}

)

select customer_id
from {{ ref('int_touched_customers') }}

union

select lots.customer_id
from horizons
inner join {{ ref('fct_point_lots') }} as lots
    on
        horizons.shop_id = lots.shop_id
        and horizons.was_until <= lots.expires_at
        and horizons.is_until > lots.expires_at

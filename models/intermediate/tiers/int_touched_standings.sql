-- One row per customer whose standing this run computes again: the touched ones, and those of whom
-- something that a tier may count has left a window since the last run. None in a run that computes
-- everything.
{{ config(materialized='table', unlogged=true) }}

with

-- What lay in a window of the last run and is in front of it now.
left_behind as (

    select
        shop_id,
        {{ this_run().as_of }} - window_days * interval '24 hours' as starts_at,
        {{ as_of() }} - window_days * interval '24 hours' as ends_at
    from {{ ref('int_tier_windows') }}
    where
        window_days is not null
        and not {{ this_run().is_full }}

),

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}

)

select customer_id
from {{ ref('int_touched_customers') }}

union

-- An order's time is that of an earned entry of the buyer, or that of the referral conversion.
select ledger.customer_id
from left_behind
inner join {{ ref('fct_point_ledger') }} as ledger
    on
        left_behind.shop_id = ledger.shop_id
        and left_behind.starts_at <= ledger.occurred_at
        and left_behind.ends_at > ledger.occurred_at
where ledger.transaction_type in ('earned', 'bonus')

union

select customers.customer_id
from left_behind
inner join customers
    on left_behind.shop_id = customers.shop_id
inner join {{ ref('stg_referral_conversions') }} as conversions
    on
        customers.customer_id = conversions.referred_customer_id
        and left_behind.starts_at <= conversions.converted_at
        and left_behind.ends_at > conversions.converted_at

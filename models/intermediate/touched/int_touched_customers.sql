-- One row per customer whose rows this run computes again: the changed ones, everybody who has part
-- in a touched order, as it may be theirs, and those of whom a lot expires (that changes nothing of
-- their shop's figures). None in a run that computes everything.
{{ config(materialized='table', unlogged=true) }}

with

orders as (

    select
        shop_id,
        order_id
    from {{ ref('int_touched_orders') }}

),

customers as (

    select
        id as customer_id,
        shop_id
    from {{ source('raw', 'customer_loyalty_profiles') }}

),

parts as (

    select
        customer_id,
        order_id
    from {{ source('raw', 'point_transactions') }}

    union all

    select
        referred_customer_id as customer_id,
        order_id
    from {{ source('raw', 'referral_conversions') }}

    union all

    select
        customer_id,
        used_order_id as order_id
    from {{ source('raw', 'redemption_logs') }}

)

select customer_id
from {{ ref('int_changed_customers') }}

union

select customer_id
from {{ source('raw', 'point_transactions') }}
where
    customer_id is not null
    and not {{ this_run().is_full }}
    and ({{ is_passed('expires_at') }} or {{ is_passed('expired_at') }})

union

select parts.customer_id
from orders
inner join parts
    on orders.order_id = parts.order_id
inner join customers
    on
        parts.customer_id = customers.customer_id
        and orders.shop_id = customers.shop_id

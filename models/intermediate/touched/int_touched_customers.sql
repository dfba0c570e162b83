-- One row per customer whose rows this run computes again: the changed ones, and who else has part
-- in an order of theirs, as that may be their order. None in a run that computes everything.
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

buyers as (

    select
        customer_id,
        order_id
    from {{ source('raw', 'point_transactions') }}
    where
        transaction_type = 'earned'
        and source = 'purchase'

    union all

    select
        referred_customer_id as customer_id,
        order_id
    from {{ source('raw', 'referral_conversions') }}

)

select customer_id
from {{ ref('int_changed_customers') }}

union

select buyers.customer_id
from orders
inner join buyers
    on orders.order_id = buyers.order_id
inner join customers
    on
        buyers.customer_id = customers.customer_id
        and orders.shop_id = customers.shop_id

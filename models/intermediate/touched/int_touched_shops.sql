-- One row per shop whose figures this run computes again: of a touched customer, now or before, of
-- a definition that changed, or where another local day has begun.
{{ config(materialized='table', unlogged=true) }}

with

touched as (

    select customer_id from {{ ref('int_touched_customers') }}

),

customers as (

    select
        id as customer_id,
        shop_id
    from {{ source('raw', 'customer_loyalty_profiles') }}

),

shops as (

    select
        shop_id,
        timezone
    from {{ ref('int_shops') }}

)

select customers.shop_id
from customers
inner join touched
    on customers.customer_id = touched.customer_id
where customers.shop_id is not null

union

select shop_id
from {{ ref('int_changed_customer_shops') }}

union

select shop_id
from {{ ref('int_changed_definitions') }}

union

select shop_id
from shops
where
    not {{ this_run().is_full }}
    and {{ local_date(this_run().as_of, 'timezone') }} < {{ local_date(as_of(), 'timezone') }}

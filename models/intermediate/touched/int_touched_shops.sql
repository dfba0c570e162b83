-- One row per shop whose figures this run computes again: of a changed customer, now or before, of
-- a definition that changed, or where another local day has begun. Touched orders are of these.
{{ config(materialized='table', unlogged=true) }}

with

shops as (

    select
        shop_id,
        timezone
    from {{ ref('int_shops') }}

)

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

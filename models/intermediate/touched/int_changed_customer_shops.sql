-- One row per changed customer and shop that the customer belongs to or did before.
{{ config(materialized='table', unlogged=true) }}

with

changed as (

    select customer_id from {{ ref('int_changed_customers') }}

),

shops as (

    select
        id as customer_id,
        shop_id
    from {{ source('raw', 'customer_loyalty_profiles') }}

    union all

    select
        (image ->> 'id')::bigint as customer_id,
        (image ->> 'shop_id')::bigint as shop_id
    from {{ source('ops', 'before_images') }}
    where
        sync_id > {{ this_run().sync_id }}
        and table_name = 'customer_loyalty_profiles'

)

select distinct
    shops.customer_id,
    shops.shop_id
from shops
inner join changed
    on shops.customer_id = changed.customer_id
where shops.shop_id is not null

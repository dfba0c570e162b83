-- One row per order that a changed customer has part in, or had: as buyer, referred or redeemer.
{{ config(materialized='table', unlogged=true) }}

with

changed as (

    select
        customer_id,
        shop_id
    from {{ ref('int_changed_customer_shops') }}

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

    union all

    select
        (
            image ->> case table_name
                when 'referral_conversions' then 'referred_customer_id'
                else 'customer_id'
            end
        )::bigint as customer_id,
        image ->> case table_name
            when 'redemption_logs' then 'used_order_id'
            else 'order_id'
        end as order_id
    from {{ source('ops', 'before_images') }}
    where
        sync_id > {{ this_run().sync_id }}
        and table_name in ('point_transactions', 'referral_conversions', 'redemption_logs')

)

select distinct
    changed.shop_id,
    parts.order_id
from parts
inner join changed
    on parts.customer_id = changed.customer_id
where parts.order_id != ''

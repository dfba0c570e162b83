-- One row per customer and channel with an address to which something can be sent, and whether the
-- customer agreed. Of the address only its hash is kept: it tells whose address is whose.
{{ config(
    materialized='incremental',
    incremental_strategy='reconcile',
    on_schema_change='append_new_columns',
    full_refresh=false,
    unique_key=['customer_id', 'channel'],
    indexes=[
        {'columns': ['customer_id', 'channel'], 'unique': true},
        {'columns': ['address_hash']},
    ],
    meta={'touched': 'customers'},
) }}

with

customers as (

    select
        customer_id,
        shop_id,
        shopify_customer_id,
        email,
        phone,
        email_opt_in,
        sms_opt_in,
        coalesce(is_active, true) as is_active
    from {{ ref('stg_customer_loyalty_profiles') }}
    where
        shop_id is not null
        and {{ is_touched('customer_id') }}

),

-- Materialized: each address is brought into its form once.
addresses as materialized (

    select
        customers.shop_id,
        customers.customer_id,
        customers.shopify_customer_id,
        customers.is_active,
        choices.channel,
        choices.has_opted_in,
        ops.contact_address(choices.channel, choices.address) as contact
    from customers
    cross join
        lateral (
            values
            ('email', customers.email, customers.email_opt_in),
            ('sms', customers.phone, customers.sms_opt_in)
        ) as choices (channel, address, has_opted_in)

)

select
    shop_id,
    customer_id,
    channel,
    shopify_customer_id,
    ops.address_hash(contact) as address_hash,
    coalesce(has_opted_in, false) and is_active as has_consent,
    not coalesce(has_opted_in, true) as has_opted_out
from addresses
where contact is not null

-- One row per customer and channel by which the customer may be contacted. Without CTEs: PostgreSQL
-- joins through a plain view.
select
    contacts.shop_id,
    shops.shop_domain,
    contacts.customer_id,
    contacts.channel,
    contacts.address_hash
from {{ ref('int_contact_points') }} as contacts
inner join {{ ref('stg_shops') }} as shops on contacts.shop_id = shops.shop_id
where
    contacts.has_consent
    -- Somebody of the shop refused to be contacted at this address.
    and not exists (
        select refusals.customer_id
        from {{ ref('int_contact_points') }} as refusals
        where
            refusals.address_hash = contacts.address_hash
            and refusals.channel = contacts.channel
            and refusals.shop_id = contacts.shop_id
            and refusals.has_opted_out
    )
    and not exists (
        select suppressions.suppression_id
        from {{ source('ops', 'suppressions') }} as suppressions
        where
            suppressions.address_hash = contacts.address_hash
            and (suppressions.channel is null or suppressions.channel = contacts.channel)
            and (
                suppressions.shop_domain is null
                or lower(suppressions.shop_domain) = lower(shops.shop_domain)
            )
    )
    -- Whoever else of the shop has a suppressed customer's address is meant, too.
    and not exists (
        select namesakes.customer_id
        from {{ ref('int_contact_points') }} as namesakes
        inner join {{ source('ops', 'suppressions') }} as suppressed_customers
            on namesakes.shopify_customer_id = suppressed_customers.shopify_customer_id
        where
            namesakes.address_hash = contacts.address_hash
            and namesakes.channel = contacts.channel
            and namesakes.shop_id = contacts.shop_id
            and (
                suppressed_customers.channel is null
                or suppressed_customers.channel = contacts.channel
            )
            and lower(suppressed_customers.shop_domain) = lower(shops.shop_domain)
    )

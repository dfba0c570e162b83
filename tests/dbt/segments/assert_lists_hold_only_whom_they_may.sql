{{ config(meta={'dagster': {'ref': {'name': 'segment_contacts'}}}) }}
-- Who is in a contact list agreed, as raw has it now, and no suppression names the address: told
-- anew from the rows themselves, not by the steps that make the list.
select
    contacts.segment_id,
    contacts.channel,
    contacts.customer_id
from {{ ref('segment_contacts') }} as contacts
left join {{ ref('stg_customer_loyalty_profiles') }} as customers
    on
        contacts.customer_id = customers.customer_id
        and contacts.shop_id = customers.shop_id
where
    {{ is_touched('contacts.customer_id') }}
    and (
        customers.customer_id is null
        or contacts.contact is null
        or customers.is_active = false
        or (contacts.channel = 'email' and customers.email_opt_in is distinct from true)
        or (contacts.channel = 'sms' and customers.sms_opt_in is distinct from true)
        or exists (
            select suppressions.suppression_id
            from {{ source('ops', 'suppressions') }} as suppressions
            where
                coalesce(suppressions.channel, contacts.channel) = contacts.channel
                and coalesce(lower(suppressions.shop_domain), lower(contacts.shop_domain))
                = lower(contacts.shop_domain)
                and (
                    suppressions.address_hash = ops.address_hash(contacts.contact)
                    or suppressions.shopify_customer_id = contacts.shopify_customer_id
                )
        )
    )

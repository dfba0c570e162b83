-- One row per segment, channel and address: whom the segment's marketing may reach. Without CTEs:
-- PostgreSQL joins through a plain view, so one segment's list reads that segment's members.
select
    contacts.segment_id,
    contacts.shop_id,
    contacts.shop_domain,
    segments.name as segment_name,
    contacts.channel,
    contacts.customer_id,
    customers.shopify_customer_id,
    ops.contact_address(
        contacts.channel,
        case contacts.channel when 'email' then customers.email else customers.phone end
    ) as contact,
    customers.first_name,
    customers.last_name
from {{ ref('int_segment_contacts') }} as contacts
inner join {{ ref('stg_customer_segments') }} as segments
    on contacts.segment_id = segments.segment_id
inner join {{ ref('stg_customer_loyalty_profiles') }} as customers
    on contacts.customer_id = customers.customer_id
-- What a sync brought since the last build counts as well: an address or a consent that changed.
-- One CASE: PostgreSQL takes each comparison for rare, and would expect one row.
where
    case
        when contacts.shop_id is distinct from customers.shop_id then false
        when not coalesce(customers.is_active, true) then false
        when
            ops.address_hash(
                case contacts.channel when 'email' then customers.email else customers.phone end
            ) is distinct from contacts.address_hash
            then false
        when contacts.channel = 'email' then customers.email_opt_in
        else customers.sms_opt_in
    end

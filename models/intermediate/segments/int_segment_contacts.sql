-- One row per segment, channel and address of its contact list: the customer who stands for the
-- address. Without CTEs: PostgreSQL joins through a plain view. Shops are compared in a CASE: of
-- two equalities PostgreSQL takes each for rare, and would expect a handful of rows.
select
    stays.segment_id,
    stays.shop_id,
    contacts.shop_domain,
    contacts.channel,
    stays.customer_id,
    contacts.address_hash
from {{ ref('segment_stays') }} as stays
inner join {{ ref('int_reachable_contacts') }} as contacts
    on stays.customer_id = contacts.customer_id
where
    stays.removed_at is null
    and case when stays.shop_id = contacts.shop_id then true end
    -- Of members with one address the first profile stands for it, so that lists do not flicker.
    and not exists (
        select twins.customer_id
        from {{ ref('int_contact_points') }} as twins
        inner join {{ ref('segment_stays') }} as twin_stays
            on twins.customer_id = twin_stays.customer_id
        where
            twins.address_hash = contacts.address_hash
            and twins.channel = contacts.channel
            and twins.shop_id = contacts.shop_id
            and twins.customer_id < contacts.customer_id
            and twins.has_consent
            and twin_stays.segment_id = stays.segment_id
            and twin_stays.removed_at is null
            and case when twins.shop_id = twin_stays.shop_id then true end
    )

-- One row per segment and channel: from its members to the addresses of its contact list, step by
-- step. Each member is in the first step that applies. Shops are compared in a CASE, as
-- int_segment_contacts tells.
with

segments as (

    select
        segments.segment_id,
        segments.shop_id,
        segments.name,
        shops.shop_domain,
        channels.channel
    from {{ ref('stg_customer_segments') }} as segments
    inner join {{ ref('stg_shops') }} as shops on segments.shop_id = shops.shop_id
    cross join (values ('email'), ('sms')) as channels (channel)

),

members as (

    select
        segments.segment_id,
        segments.shop_id,
        segments.shop_domain,
        segments.name,
        segments.channel,
        stays.customer_id,
        points.customer_id is not null as has_address,
        points.has_consent,
        reachable.customer_id is not null as is_reachable,
        contacts.customer_id is not null as is_contact
    from segments
    left join {{ ref('segment_stays') }} as stays
        on
            segments.segment_id = stays.segment_id
            and stays.removed_at is null
            and case when segments.shop_id = stays.shop_id then true end
    left join {{ ref('int_contact_points') }} as points
        on
            stays.customer_id = points.customer_id
            and segments.channel = points.channel
            and case when stays.shop_id = points.shop_id then true end
    left join {{ ref('int_reachable_contacts') }} as reachable
        on
            points.customer_id = reachable.customer_id
            and points.channel = reachable.channel
    left join {{ ref('int_segment_contacts') }} as contacts
        on
            segments.segment_id = contacts.segment_id
            and segments.channel = contacts.channel
            and reachable.customer_id = contacts.customer_id

)

select
    segment_id,
    shop_id,
    shop_domain,
    name as segment_name,
    channel,
    count(customer_id) as members,
    count(customer_id) filter (where not has_address) as without_address,
    count(customer_id) filter (where not has_consent) as without_consent,
    count(customer_id) filter (where has_consent and not is_reachable) as suppressed,
    count(customer_id) filter (where is_reachable and not is_contact) as duplicates,
    count(customer_id) filter (where is_contact) as contacts
from members
group by segment_id, shop_id, shop_domain, name, channel

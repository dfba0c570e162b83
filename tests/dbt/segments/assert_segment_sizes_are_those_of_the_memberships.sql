{{ config(meta={'dagster': {'ref': {'name': 'customer_segments'}}}) }}
-- customer_count counts the memberships that are active, segment by segment.
with

sizes as (

    select
        segment_id,
        count(*) as customer_count
    from {{ ref('customer_segment_memberships') }}
    where is_active
    group by segment_id

)

select
    segments.segment_id,
    segments.customer_count,
    sizes.customer_count as active_memberships
from {{ ref('customer_segments') }} as segments
left join sizes on segments.segment_id = sizes.segment_id
where segments.customer_count != coalesce(sizes.customer_count, 0)

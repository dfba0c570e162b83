{{ config(meta={'dagster': {'ref': {'name': 'customer_segment_memberships'}}}) }}
-- Rules may read a birthday; what they saw of it is not kept.
select
    segment_id,
    customer_id
from {{ ref('customer_segment_memberships') }}
where qualification_data ? 'birthday'

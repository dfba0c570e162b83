{{ config(meta={'dagster': {'ref': {'name': 'segment_stays'}}}) }}
-- A customer is in a segment once at a time: each stay ends before the next begins.
with

ordered as (

    select
        segment_id,
        customer_id,
        added_at,
        removed_at,
        lead(added_at) over (
            partition by segment_id, customer_id
            order by added_at
        ) as next_added_at
    from {{ ref('segment_stays') }}

)

select *
from ordered
where
    next_added_at is not null
    and (removed_at is null or removed_at > next_added_at)

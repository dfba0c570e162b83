{#- Of the past raw knows the stays, but not which shop a customer was of. -#}
{{ config(
    enabled=target.name != 'asof',
    meta={'dagster': {'ref': {'name': 'segment_performance'}}},
) }}
-- The last day's size, the members whose performance is told, and customer_count are one number.
with

last_days as (

    select
        segment_id,
        customers
    from {{ ref('segment_sizes_daily') }}
    where not is_complete

)

select
    segments.segment_id,
    segments.customer_count,
    performance.customers,
    last_days.customers as customers_of_the_last_day
from {{ ref('customer_segments') }} as segments
left join {{ ref('segment_performance') }} as performance
    on segments.segment_id = performance.segment_id
left join last_days on segments.segment_id = last_days.segment_id
where
    {{ is_touched_shop('segments.shop_id') }}
    and (
        segments.customer_count is distinct from performance.customers
        or segments.customer_count != coalesce(last_days.customers, 0)
    )

{{ config(meta={'dagster': {'ref': {'name': 'segment_sizes_daily'}}}) }}
-- Days follow each other without a gap; each is as large as the one before, plus who entered, less
-- who left; and the last one, and no other, is not complete.
with

days as (

    select
        shop_id,
        segment_id,
        date,
        is_complete,
        customers,
        entered - "left" as change,
        lag(customers, 1, 0::bigint) over segment_days as previous_customers,
        lag(date) over segment_days as previous_date,
        lead(date) over segment_days as next_date
    from {{ ref('segment_sizes_daily') }}
    where {{ is_touched_shop('shop_id') }}
    window
        segment_days as (
            partition by shop_id, segment_id
            order by date
        )

)

select *
from days
where
    customers < 0
    or customers != previous_customers + change
    or previous_date + 1 != date
    or is_complete = (next_date is null)

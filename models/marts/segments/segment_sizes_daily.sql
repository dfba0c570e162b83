-- One row per segment and local day of its shop, from the segment's first stay to as_of.
with

segments as (

    select
        segments.segment_id,
        segments.shop_id,
        shops.timezone
    from {{ ref('stg_customer_segments') }} as segments
    inner join {{ ref('int_shops') }} as shops on segments.shop_id = shops.shop_id

),

-- Days on which somebody came or went. Read once, so that a condition on the segment or its shop
-- reaches the stays.
flows as (

    select
        segments.shop_id,
        segments.segment_id,
        segments.timezone,
        {{ local_date('moves.moved_at', 'segments.timezone') }} as moved_on,
        sum(moves.entered) as entered,
        sum(moves.departed) as departed
    from segments
    inner join {{ ref('segment_stays') }} as stays on segments.segment_id = stays.segment_id
    cross join
        lateral (
            values
            (stays.added_at, 1, 0),
            (stays.removed_at, 0, 1)
        ) as moves (moved_at, entered, departed)
    where moves.moved_at is not null
    group by segments.shop_id, segments.segment_id, segments.timezone, moved_on

),

-- Each with the size that it leaves, and the day before the next one.
stretches as (

    select
        shop_id,
        segment_id,
        timezone,
        moved_on,
        entered,
        departed,
        sum(entered - departed) over segment_days as customers,
        lead(moved_on) over segment_days - 1 as last_on
    from flows
    window
        segment_days as (
            partition by shop_id, segment_id
            order by moved_on
        )

)

select
    stretches.shop_id,
    stretches.segment_id,
    days.day::date as date,
    days.day::date < {{ local_date(as_of(), 'stretches.timezone') }} as is_complete,
    stretches.customers::bigint as customers,
    (case when days.day = stretches.moved_on then stretches.entered else 0 end)::bigint as entered,
    (case when days.day = stretches.moved_on then stretches.departed else 0 end)::bigint as "left"
from stretches
cross join
    lateral generate_series(
        stretches.moved_on::timestamp,
        coalesce(
            stretches.last_on, {{ local_date(as_of(), 'stretches.timezone') }}
        )::timestamp,
        interval '1 day'
    ) as days (day)

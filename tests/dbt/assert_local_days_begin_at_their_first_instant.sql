{{ config(meta={'dagster': {'ref': {'name': 'shop_timezones'}}}) }}
-- depends_on: {{ ref('shop_timezones') }}
-- Days whose first instant is not where the macros put it: ordinary ones, and days on which clocks
-- change, at midnight (forward in São Paulo and Beirut, back in Havana) and at other times.
with

days as (

    select
        zone,
        date::date as date,
        first_instant::timestamptz as first_instant
    from
        (
            values
            ('UTC', '2024-02-29', '2024-02-29T00:00:00Z'),
            ('Asia/Kolkata', '2024-06-01', '2024-05-31T18:30:00Z'),
            ('America/New_York', '2024-03-10', '2024-03-10T05:00:00Z'),
            ('America/New_York', '2024-03-11', '2024-03-11T04:00:00Z'),
            ('America/Sao_Paulo', '2018-11-04', '2018-11-04T03:00:00Z'),
            ('Asia/Beirut', '2024-03-31', '2024-03-30T22:00:00Z'),
            ('America/Havana', '2024-11-03', '2024-11-03T04:00:00Z'),
            ('America/Havana', '2024-11-04', '2024-11-04T05:00:00Z'),
            ('Australia/Lord_Howe', '2024-04-07', '2024-04-06T13:00:00Z')
        ) as examples (zone, date, first_instant)

),

answers as (

    select
        zone,
        date,
        first_instant,
        {{ local_midnight('date', 'zone') }} as begins_at,
        {{ local_date('first_instant', 'zone') }} as date_at,
        {{ local_date("first_instant - interval '1 microsecond'", 'zone') }} as date_before
    from days

)

select *
from answers
where begins_at <> first_instant or date_at <> date or date_before <> date - 1

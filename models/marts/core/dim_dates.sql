-- One row per date, from 2000, before which times count as unknown, to the end of the year after
-- that of as_of.
{{ config(
    unique_key='date',
    indexes=[{'columns': ['date'], 'unique': true}],
) }}

with

dates as (

    select calendar.instant::date as date
    from
        generate_series(
            timestamp '2000-01-01',
            date_trunc('year', {{ as_of() }} at time zone 'UTC') + interval '2 years - 1 day',
            interval '1 day'
        ) as calendar (instant)

)

select
    date,
    extract(year from date)::integer as year,
    extract(quarter from date)::integer as quarter,
    extract(month from date)::integer as month,
    to_char(date, 'FMMonth') as month_name,
    extract(day from date)::integer as day_of_month,
    extract(isodow from date)::integer as day_of_week,
    to_char(date, 'FMDay') as day_name,
    extract(isodow from date) >= 6 as is_weekend,
    extract(isoyear from date)::integer as iso_year,
    extract(week from date)::integer as iso_week,
    date_trunc('week', date::timestamp)::date as week_starts_on,
    date_trunc('month', date::timestamp)::date as month_starts_on,
    date_trunc('quarter', date::timestamp)::date as quarter_starts_on
from dates

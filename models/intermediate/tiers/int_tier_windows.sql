-- One row per shop and length of the windows before as_of in which its tiers count. What happens in
-- [starts_at, next_starts_at) is in this window, and in all that have a lower window_no.
{{ config(materialized='table', unlogged=true) }}

with

tiers as (

    select
        shop_id,
        qualification_period_days
    from {{ ref('int_tiers') }}

),

lengths as (

    select distinct
        shop_id,
        -- The warehouse's time starts in 2000: no window need be longer than a hundred years.
        case
            when qualification_period_days > 0 then least(qualification_period_days, 36500)
        end as window_days
    from tiers

),

windows as (

    select
        shop_id,
        window_days,
        row_number() over (
            partition by shop_id
            order by window_days desc nulls first
        ) as window_no,
        case
            when window_days is null then '-infinity'
            else {{ as_of() }} - window_days * interval '24 hours'
        end as starts_at
    from lengths

)

select
    shop_id,
    window_no,
    window_days,
    starts_at,
    lead(starts_at, 1, 'infinity') over (
        partition by shop_id
        order by window_no
    ) as next_starts_at
from windows

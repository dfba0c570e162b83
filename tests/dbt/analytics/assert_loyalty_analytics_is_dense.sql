{{ config(meta={'dagster': {'ref': {'name': 'loyalty_analytics'}}}) }}
-- Every period is there, once, from the shop's first to the one that holds as_of: each follows the
-- one before, and the last one is the only one that is not complete.
with

periods as (

    select
        shop_id,
        period_type,
        date,
        is_complete,
        lead(date) over (partition by shop_id, period_type order by date) as next_date
    from {{ ref('loyalty_analytics') }}
    where {{ is_touched_shop('shop_id') }}

)

select
    shop_id,
    period_type,
    date,
    next_date,
    is_complete
from periods
where
    next_date != {{ period_end('date', 'period_type') }}
    or is_complete = (next_date is null)

{{ config(meta={'dagster': {'ref': {'name': 'fct_tier_progressions'}}}) }}
-- Spans that last beyond the start of the customer's next one.
with

spans as (

    select
        customer_id,
        tier_history_id,
        valid_to,
        lead(coalesce(valid_from, '2000-01-01 00:00:00+00')) over (
            partition by customer_id
            order by span_no
        ) as next_from
    from {{ ref('fct_tier_progressions') }}
    where {{ is_touched('customer_id') }}

)

select *
from spans
where next_from is not null and (valid_to > next_from or valid_to is null)

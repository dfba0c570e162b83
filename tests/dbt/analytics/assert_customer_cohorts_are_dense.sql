{{ config(meta={'dagster': {'ref': {'name': 'customer_cohorts'}}}) }}
-- A cohort's months follow each other from its own to the open one, with the same customers; and
-- nobody is active who is not of the cohort.
with

months as (

    select
        shop_id,
        cohort_month,
        months_since,
        month,
        is_complete,
        customers,
        active_customers,
        lag(months_since) over cohort as previous_months_since,
        lag(customers) over cohort as previous_customers,
        lead(months_since) over cohort as next_months_since
    from {{ ref('customer_cohorts') }}
    where {{ is_touched_shop('shop_id') }}
    window cohort as (partition by shop_id, cohort_month order by months_since)

)

select
    shop_id,
    cohort_month,
    months_since,
    month,
    is_complete,
    customers,
    active_customers
from months
where
    months_since != coalesce(previous_months_since + 1, 0)
    or customers != coalesce(previous_customers, customers)
    or month != cohort_month + make_interval(months => months_since)
    or is_complete = (next_months_since is null)
    or not active_customers between 0 and customers

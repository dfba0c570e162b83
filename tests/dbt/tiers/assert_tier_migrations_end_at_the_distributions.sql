{{ config(meta={'dagster': {'ref': {'name': 'fct_tier_migrations'}}}) }}
-- Months that do not end with as many customers in a tier as loyalty_analytics says hold it then.
with

ends as (

    select
        shop_id,
        month,
        to_state as tier_id,
        sum(customers) as customers
    from {{ ref('fct_tier_migrations') }}
    where to_tier_id is not null
    group by shop_id, month, to_state

),

distributions as (

    select
        loyalty_analytics.shop_id,
        loyalty_analytics.date as month,
        held.tier_id,
        held.customers::bigint as customers
    from {{ ref('loyalty_analytics') }} as loyalty_analytics,
        lateral jsonb_each_text(loyalty_analytics.tier_distributions) as held (tier_id, customers)
    where loyalty_analytics.period_type = 'monthly'

)

select
    coalesce(ends.shop_id, distributions.shop_id) as shop_id,
    coalesce(ends.month, distributions.month) as month,
    coalesce(ends.tier_id, distributions.tier_id) as tier_id,
    ends.customers as customers_at_end,
    distributions.customers as customers_held
from ends
full outer join distributions
    on
        ends.shop_id = distributions.shop_id
        and ends.month = distributions.month
        and ends.tier_id = distributions.tier_id
where ends.customers is distinct from distributions.customers

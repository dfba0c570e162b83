{{ config(meta={'dagster': {'ref': {'name': 'loyalty_analytics'}}}) }}
-- The open periods count every profile, and their tier distributions everybody who holds a tier.
with

periods as (

    select
        analytics.shop_id,
        analytics.period_type,
        analytics.total_customers,
        (
            select coalesce(sum(distribution.customers::bigint), 0)
            from jsonb_each_text(analytics.tier_distributions)
                as distribution (tier_id, customers)
        ) as tier_holders
    from {{ ref('loyalty_analytics') }} as analytics
    where
        not analytics.is_complete
        and {{ is_touched_shop('analytics.shop_id') }}

),

customers as (

    select
        shop_id,
        count(*) as customers
    from {{ ref('stg_customer_loyalty_profiles') }}
    group by shop_id

),

holders as (

    select
        shop_id,
        count(*) as customers
    from {{ ref('fct_tier_progressions') }}
    where is_current
    group by shop_id

)

select
    periods.shop_id,
    periods.period_type,
    periods.total_customers,
    customers.customers,
    periods.tier_holders,
    holders.customers as current_tier_holders
from periods
left join customers
    on periods.shop_id = customers.shop_id
left join holders
    on periods.shop_id = holders.shop_id
where
    periods.total_customers != coalesce(customers.customers, 0)
    or periods.tier_holders != coalesce(holders.customers, 0)

-- The open periods count every profile, and their tier distributions every customer who holds a tier.
with

periods as (

    select
        loyalty_analytics.shop_id,
        loyalty_analytics.period_type,
        loyalty_analytics.total_customers,
        coalesce(sum(distribution.customers::bigint), 0) as tier_holders
    from {{ ref('loyalty_analytics') }} as loyalty_analytics
    left join lateral jsonb_each_text(loyalty_analytics.tier_distributions)
        as distribution (tier_id, customers) on true
    where not loyalty_analytics.is_complete
    group by
        loyalty_analytics.shop_id,
        loyalty_analytics.period_type,
        loyalty_analytics.total_customers

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

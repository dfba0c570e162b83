{{ config(meta={'dagster': {'ref': {'name': 'customer_cohorts'}}}) }}
-- A shop's cohorts add up to its dated profiles.
with

cohorts as (

    select
        shop_id,
        sum(customers) as customers
    from {{ ref('customer_cohorts') }}
    where
        months_since = 0
        and {{ is_touched_shop('shop_id') }}
    group by shop_id

),

profiles as (

    select
        profiles.shop_id,
        count(*) as customers
    from {{ ref('stg_customer_loyalty_profiles') }} as profiles
    inner join {{ ref('int_shops') }} as shops
        on profiles.shop_id = shops.shop_id
    where
        profiles.created_at is not null
        and {{ is_touched_shop('profiles.shop_id') }}
    group by profiles.shop_id

)

select
    coalesce(cohorts.shop_id, profiles.shop_id) as shop_id,
    cohorts.customers as customers_in_cohorts,
    profiles.customers as dated_profiles
from cohorts
full outer join profiles
    on cohorts.shop_id = profiles.shop_id
where cohorts.customers is distinct from profiles.customers

{{ config(meta={'dagster': {'ref': {'name': 'fct_tier_migrations'}}}) }}
-- Tiers in which a month does not begin with the customers with whom the month before ended, of the
-- months between a shop's first and last one.
with

starts as (

    select
        shop_id,
        month,
        from_tier_id as tier_id,
        sum(customers) as customers
    from {{ ref('fct_tier_migrations') }}
    where from_tier_id is not null
    group by shop_id, month, from_tier_id

),

ends as (

    select
        shop_id,
        (month + interval '1 month')::date as month,
        to_tier_id as tier_id,
        sum(customers) as customers
    from {{ ref('fct_tier_migrations') }}
    where
        to_tier_id is not null
        and is_complete
    group by shop_id, month, to_tier_id

),

first_months as (

    select
        shop_id,
        min(month) as month
    from {{ ref('fct_tier_migrations') }}
    group by shop_id

)

select
    coalesce(starts.shop_id, ends.shop_id) as shop_id,
    coalesce(starts.month, ends.month) as month,
    coalesce(starts.tier_id, ends.tier_id) as tier_id,
    starts.customers as customers_at_start,
    ends.customers as customers_before
from starts
full outer join ends
    on
        starts.shop_id = ends.shop_id
        and starts.month = ends.month
        and starts.tier_id = ends.tier_id
left join first_months
    on starts.shop_id = first_months.shop_id
where
    starts.customers is distinct from ends.customers
    and (starts.month is null or starts.month > first_months.month)

{{ config(meta={'dagster': {'ref': {'name': 'program_kpis'}}}) }}
-- On the day that holds as_of, counting customers one by one gives what the running sums of windows
-- have come to.
with

today as (

    select
        shop_id,
        date,
        active_members,
        buyers_90d,
        repeat_buyers_90d
    from {{ ref('program_kpis') }}
    where
        not is_complete
        -- A recount of whole shops: in runs that compute or test all rows.
        and {{ this_run().is_full }}

),

active_members as (

    select
        today.shop_id,
        count(distinct customer_days.customer_id) as customers
    from today
    inner join {{ ref('int_customer_days') }} as customer_days
        on today.shop_id = customer_days.shop_id
    where
        customer_days.is_active
        and customer_days.occurred_on > today.date - 365
    group by today.shop_id

),

buyers as (

    select
        orders.shop_id,
        orders.customer_id,
        count(*) as orders
    from today
    inner join {{ ref('int_shops') }} as shops
        on today.shop_id = shops.shop_id
    inner join {{ ref('fct_orders') }} as orders
        on today.shop_id = orders.shop_id
    where {{ local_date('orders.ordered_at', 'shops.timezone') }} > today.date - 90
    group by orders.shop_id, orders.customer_id

),

buyers_by_shop as (

    select
        shop_id,
        count(*) as buyers,
        count(*) filter (where orders > 1) as repeat_buyers
    from buyers
    group by shop_id

)

select
    today.shop_id,
    today.date,
    today.active_members,
    active_members.customers as active_customers,
    today.buyers_90d,
    buyers_by_shop.buyers,
    today.repeat_buyers_90d,
    buyers_by_shop.repeat_buyers
from today
left join active_members
    on today.shop_id = active_members.shop_id
left join buyers_by_shop
    on today.shop_id = buyers_by_shop.shop_id
where
    today.active_members != coalesce(active_members.customers, 0)
    or today.buyers_90d != coalesce(buyers_by_shop.buyers, 0)
    or today.repeat_buyers_90d != coalesce(buyers_by_shop.repeat_buyers, 0)

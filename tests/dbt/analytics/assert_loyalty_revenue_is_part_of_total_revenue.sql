{{ config(meta={'dagster': {'ref': {'name': 'loyalty_analytics'}}}) }}
-- Loyalty revenue is a part of total revenue, and total revenue is that of the dated orders. A
-- revenue too large for its column is NULL: the shop's sums are not compared then.
with

periods as (

    select
        shop_id,
        period_type,
        min(total_revenue - loyalty_revenue) as least_other_revenue,
        case when count(*) = count(total_revenue) then sum(total_revenue) end as total_revenue,
        case when count(*) = count(loyalty_revenue) then sum(loyalty_revenue) end as loyalty_revenue
    from {{ ref('loyalty_analytics') }}
    where {{ is_touched_shop('shop_id') }}
    group by shop_id, period_type

),

orders as (

    select
        shop_id,
        coalesce(sum(amount), 0) as total_revenue,
        coalesce(sum(amount) filter (where is_loyalty_order), 0) as loyalty_revenue
    from {{ ref('fct_orders') }}
    where
        ordered_at is not null
        and {{ is_touched_shop('shop_id') }}
    group by shop_id

)

select
    periods.shop_id,
    periods.period_type,
    periods.least_other_revenue,
    periods.total_revenue,
    orders.total_revenue as total_revenue_of_orders,
    periods.loyalty_revenue,
    orders.loyalty_revenue as loyalty_revenue_of_orders
from periods
left join orders
    on periods.shop_id = orders.shop_id
where
    periods.least_other_revenue < 0
    or periods.total_revenue != coalesce(orders.total_revenue, 0)
    or periods.loyalty_revenue != coalesce(orders.loyalty_revenue, 0)

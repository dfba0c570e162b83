-- One row per customer: recency, frequency and monetary value of the last 365 local days, scored in
-- fifths within the shop.
{{ config(
    unique_key='customer_id',
    indexes=[{'columns': ['customer_id'], 'unique': true}, {'columns': ['shop_id']}],
    meta={'touched': 'shops'},
) }}

with

shops as (

    select
        shop_id,
        {{ local_date(as_of(), 'timezone') }} as last_on
    from {{ ref('int_shops') }}
    where {{ is_touched_shop('shop_id') }}

),

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched_shop('shop_id') }}

),

order_days as (

    select
        shop_id,
        customer_id,
        occurred_on as ordered_on,
        orders,
        revenue
    from {{ ref('int_customer_day_totals') }}
    where
        orders > 0
        and occurred_on > '-infinity'
        and {{ is_touched_shop('shop_id') }}

),

buyers as (

    select
        order_days.customer_id,
        max(order_days.ordered_on) as last_ordered_on,
        sum(order_days.orders) filter (
            where order_days.ordered_on > shops.last_on - 365
        )::bigint as orders_365d,
        sum(order_days.revenue) filter (
            where order_days.ordered_on > shops.last_on - 365
        ) as spend_365d
    from order_days
    inner join shops
        on order_days.shop_id = shops.shop_id
    group by order_days.customer_id

),

values_by_customer as (

    select
        customers.shop_id,
        customers.customer_id,
        buyers.last_ordered_on,
        shops.last_on - buyers.last_ordered_on as recency_days,
        coalesce(buyers.orders_365d, 0) as orders_365d,
        -- No orders are no spend; orders of which no amount is known are an unknown spend.
        case
            when coalesce(buyers.orders_365d, 0) = 0 then 0.00
            else {{ money('buyers.spend_365d') }}
        end as spend_365d,
        coalesce(buyers.orders_365d, 0) > 0 as is_recent_buyer
    from customers
    inner join shops
        on customers.shop_id = shops.shop_id
    left join buyers
        on customers.customer_id = buyers.customer_id

),

-- Of the shop's customers with an order in the window, how many are strictly worse. Equal values
-- have equal ranks, so the scores follow from the values alone.
ranked_customers as (

    select
        shop_id,
        customer_id,
        last_ordered_on,
        recency_days,
        orders_365d,
        spend_365d,
        is_recent_buyer,
        rank() over (
            partition by shop_id, is_recent_buyer
            order by recency_days desc
        ) - 1 as less_recent,
        rank() over (
            partition by shop_id, is_recent_buyer
            order by orders_365d
        ) - 1 as less_frequent,
        rank() over (
            partition by shop_id, is_recent_buyer, spend_365d is null
            order by spend_365d
        ) - 1 as less_valuable,
        count(*) over (partition by shop_id, is_recent_buyer) as buyers,
        count(spend_365d) over (partition by shop_id, is_recent_buyer) as buyers_of_known_spend
    from values_by_customer

)

select
    shop_id,
    customer_id,
    last_ordered_on,
    recency_days,
    orders_365d,
    spend_365d,
    -- Who ordered, but not in the window, is worse than all who did. Who never did has no score.
    case
        when is_recent_buyer then (1 + 5 * less_recent / buyers)::integer
        when recency_days is not null then 1
    end as r_score,
    case
        when is_recent_buyer then (1 + 5 * less_frequent / buyers)::integer
        when recency_days is not null then 1
    end as f_score,
    case
        when is_recent_buyer and spend_365d is not null
            then (1 + 5 * less_valuable / buyers_of_known_spend)::integer
        when not is_recent_buyer and recency_days is not null then 1
    end as m_score
from ranked_customers

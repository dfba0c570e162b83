-- One row per redemption: a reward that a customer took, and whether it was used.
{{ config(
    unique_key=['customer_id', 'redemption_id'],
    indexes=[
        {'columns': ['customer_id', 'redemption_id'], 'unique': true},
        {'columns': ['shop_id', 'redeemed_at']},
    ],
    meta={'touched': 'customers'},
) }}

with

redemptions as (

    select
        redemption_id,
        customer_id,
        reward_id,
        status,
        points_spent,
        discount_amount,
        redeemed_at,
        expires_at,
        used_at,
        -- An empty order id is none, and one that comes before its use is not known yet.
        case when used_at is not null then nullif(used_order_id, '') end as used_order_id
    from {{ ref('stg_redemption_logs') }}
    where {{ is_touched('customer_id') }}

),

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}

),

orders as (

    select
        shop_id,
        order_id,
        amount
    from {{ ref('fct_orders') }}

)

select
    customers.shop_id,
    redemptions.customer_id,
    redemptions.redemption_id,
    redemptions.reward_id,
    redemptions.status,
    redemptions.status is null
    or redemptions.status not in ('failed', 'cancelled') as is_counted,
    redemptions.points_spent,
    redemptions.discount_amount,
    redemptions.redeemed_at,
    redemptions.expires_at,
    redemptions.used_at,
    redemptions.used_at is not null as is_used,
    case
        when redemptions.used_at >= redemptions.redeemed_at
            then extract(epoch from redemptions.used_at - redemptions.redeemed_at) / 86400
    end::numeric(9, 4) as days_to_use,
    redemptions.used_order_id,
    orders.amount as order_amount
from redemptions
inner join customers
    on redemptions.customer_id = customers.customer_id
-- Whoever bought it: an order is its shop's, and only its key tells which it was.
left join orders
    on
        customers.shop_id = orders.shop_id
        and redemptions.used_order_id = orders.order_id

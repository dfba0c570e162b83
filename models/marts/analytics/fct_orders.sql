-- One row per shop and order. The application keeps no orders: they are known from the points that
-- their purchases earned, and from the referral conversions that they were.
{{ config(
    unique_key=['shop_id', 'order_id'],
    indexes=[
        {'columns': ['shop_id', 'order_id'], 'unique': true},
        {'columns': ['customer_id']},
        {'columns': ['shop_id', 'ordered_at']},
    ],
    meta={'touched': 'orders'},
) }}

with

purchases as (

    select * from {{ ref('int_order_purchases') }}

),

ledger as (

    select
        shop_id,
        order_id,
        transaction_type,
        points_amount,
        campaign_id
    from {{ ref('fct_point_ledger') }}
    -- The few entries that tell something of an order; most tell nothing but its purchase.
    where
        order_id != ''
        and (
            (transaction_type = 'refunded' and points_amount < 0)
            or (transaction_type in ('earned', 'bonus') and campaign_id is not null)
        )
        and {{ is_touched('customer_id') }}

),

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched('customer_id') }}

),

conversions as (

    select
        referral_conversion_id,
        referred_customer_id,
        order_id,
        order_amount,
        converted_at
    from {{ ref('stg_referral_conversions') }}
    where order_id != ''

),

redemptions as (

    select
        customer_id,
        used_order_id
    from {{ ref('stg_redemption_logs') }}
    where used_order_id != ''

),

purchased_orders as (

    select
        shop_id,
        order_id,
        max(customer_id) filter (where purchase_no = 1) as customer_id,
        min(occurred_at) as ordered_at,
        sum(points_amount)::bigint as points_earned,
        -- One purchase at an unknown rate, and the order's amount cannot be told.
        case
            when bool_and(earning_rate is not null)
                then greatest(sum(points_amount / earning_rate), 0)
        end as amount,
        bool_or(is_above_lowest_tier) filter (where purchase_no = 1) as is_above_lowest_tier
    from purchases
    group by shop_id, order_id

),

order_entries as (

    select
        shop_id,
        order_id,
        -sum(points_amount) filter (
            where transaction_type = 'refunded' and points_amount < 0
        ) as points_taken_back,
        bool_or(campaign_id is not null) filter (
            where transaction_type in ('earned', 'bonus')
        ) as has_campaign
    from ledger
    group by shop_id, order_id

),

referred_orders as (

    select distinct on (customers.shop_id, conversions.order_id)
        customers.shop_id,
        conversions.order_id,
        conversions.referred_customer_id as customer_id,
        conversions.converted_at,
        conversions.order_amount
    from conversions
    inner join customers
        on conversions.referred_customer_id = customers.customer_id
    order by customers.shop_id, conversions.order_id, conversions.referral_conversion_id

),

redeemed_orders as (

    select distinct
        customers.shop_id,
        redemptions.used_order_id as order_id
    from redemptions
    inner join customers
        on redemptions.customer_id = customers.customer_id

),

orders as (

    select
        coalesce(purchased_orders.shop_id, referred_orders.shop_id) as shop_id,
        coalesce(purchased_orders.order_id, referred_orders.order_id) as order_id,
        case
            when purchased_orders.ordered_at is not null then purchased_orders.customer_id
            else coalesce(referred_orders.customer_id, purchased_orders.customer_id)
        end as customer_id,
        coalesce(purchased_orders.ordered_at, referred_orders.converted_at) as ordered_at,
        referred_orders.order_amount as recorded_amount,
        purchased_orders.amount as purchased_amount,
        coalesce(purchased_orders.points_earned, 0) as points_earned,
        referred_orders.order_id is not null as is_referred,
        coalesce(purchased_orders.is_above_lowest_tier, false) as is_above_lowest_tier
    from purchased_orders
    full outer join referred_orders
        on
            purchased_orders.shop_id = referred_orders.shop_id
            and purchased_orders.order_id = referred_orders.order_id

),

traced_orders as (

    select
        orders.*,
        coalesce(order_entries.has_campaign, false)
        or redeemed_orders.order_id is not null
        or orders.is_referred
        or orders.is_above_lowest_tier as is_loyalty_order,
        case
            when order_entries.points_taken_back is null then orders.purchased_amount
            else
                orders.purchased_amount
                * greatest(orders.points_earned - order_entries.points_taken_back, 0)
                / greatest(orders.points_earned, 1)
        end as kept_amount
    from orders
    left join order_entries
        on
            orders.shop_id = order_entries.shop_id
            and orders.order_id = order_entries.order_id
    left join redeemed_orders
        on
            orders.shop_id = redeemed_orders.shop_id
            and orders.order_id = redeemed_orders.order_id

),

priced_orders as (

    select
        *,
        -- A quotient may be an endless fraction, and half a cent then comes out a hair less: the
        -- rounding to ten places mends it.
        {{ money('coalesce(recorded_amount, round(kept_amount, 10))') }} as amount
    from traced_orders

)

select
    shop_id,
    order_id,
    customer_id,
    ordered_at,
    amount,
    case
        when recorded_amount is not null then 'recorded'
        when amount is not null then 'implied'
    end as amount_basis,
    points_earned,
    is_loyalty_order
from priced_orders
-- Whoever has part in a touched order is a touched customer; of their other orders, others may have
-- part, too.
where {{ is_touched_order('shop_id', 'order_id') }}

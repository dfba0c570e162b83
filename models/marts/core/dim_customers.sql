-- One row per enrolled customer. No personal data: names and addresses are in the schema marketing.
{{ config(
    unique_key='customer_id',
    indexes=[{'columns': ['customer_id'], 'unique': true}, {'columns': ['shop_id', 'enrolled_on']}],
    meta={'touched': 'customers'},
) }}

with

customers as (

    select * from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched('customer_id') }}

),

shops as (

    select * from {{ ref('int_shops') }}

),

tiers as (

    select * from {{ ref('int_tiers') }}

)

select
    customers.shop_id,
    customers.customer_id,
    customers.created_at as enrolled_at,
    {{ local_date('customers.created_at', 'shops.timezone') }} as enrolled_on,
    coalesce(customers.is_active, true) as is_active,
    coalesce(customers.is_vip, false) as is_vip,
    customers.email_opt_in,
    customers.sms_opt_in,
    customers.current_tier_id,
    tiers.name as current_tier_name,
    tiers.tier_level as current_tier_level,
    customers.tier_achieved_at,
    customers.tier_expires_at,
    customers.points_balance,
    customers.lifetime_points_earned,
    customers.lifetime_points_redeemed,
    customers.lifetime_spent,
    customers.lifetime_orders,
    customers.last_purchase_at,
    customers.last_login_at,
    customers.last_points_earned_at
from customers
left join shops on shops.shop_id = customers.shop_id
left join tiers
    on
        tiers.tier_id = customers.current_tier_id
        and tiers.shop_id = customers.shop_id

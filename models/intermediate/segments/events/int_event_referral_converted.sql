-- One row per completed order that came by a referral link of a customer.
with

conversions as (

    select
        referral_link_id,
        converted_at,
        order_amount,
        referrer_points_awarded,
        status
    from {{ ref('stg_referral_conversions') }}

),

links as (

    select
        referral_link_id,
        customer_id
    from {{ ref('stg_referral_links') }}

),

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}

),

final as (

    select
        customers.shop_id,
        links.customer_id,
        conversions.converted_at as occurred_at,
        conversions.order_amount as amount,
        conversions.referrer_points_awarded as points
    from conversions
    inner join links
        on conversions.referral_link_id = links.referral_link_id
    inner join customers
        on links.customer_id = customers.customer_id
    where conversions.status = 'completed'

)

select * from final

-- One row per enrolled customer, without those dated after as_of.
with

renamed as (

    select
        id as customer_id,
        shop_id,
        shopify_customer_id,
        email,
        first_name,
        last_name,
        phone,
        points_balance,
        lifetime_points_earned,
        lifetime_points_redeemed,
        {{ money('lifetime_spent') }} as lifetime_spent,
        lifetime_orders,
        current_tier_id,
        {{ clean_timestamp('tier_achieved_at') }} as tier_achieved_at,
        {{ clean_timestamp('tier_expires_at') }} as tier_expires_at,
        {{ clean_timestamp('last_purchase_at') }} as last_purchase_at,
        {{ clean_timestamp('last_login_at') }} as last_login_at,
        {{ clean_timestamp('last_points_earned_at') }} as last_points_earned_at,
        email_opt_in,
        sms_opt_in,
        case when isfinite(birthday) then birthday end as birthday,
        is_active,
        is_vip,
        {{ clean_timestamp('created_at') }} as created_at,
        {{ clean_timestamp('updated_at') }} as updated_at
    from {{ source('raw', 'customer_loyalty_profiles') }}
    where _deleted_at is null

)

select * from renamed
where created_at <= {{ as_of() }} or created_at is null

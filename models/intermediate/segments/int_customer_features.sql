-- One row per enrolled customer: all that a segment rule may read, and who can be reached. A column
-- whose yml tags it as a segment field is offered to marketers; nothing else is needed.
with

profiles as (

    select * from {{ ref('stg_customer_loyalty_profiles') }}

),

shops as (

    select * from {{ ref('int_shops') }}

),

tiers as (

    select * from {{ ref('int_tiers') }}

),

standings as (

    select
        customer_id,
        points_to_next,
        spend_to_next,
        orders_to_next,
        is_at_risk
    from {{ ref('tier_standings') }}

),

expiries as (

    select
        customer_id,
        next_expiry_at,
        points_expiring_30d
    from {{ ref('int_customer_expiries') }}

),

rfm as (

    select
        customer_id,
        orders_365d,
        spend_365d,
        r_score,
        f_score,
        m_score
    from {{ ref('customer_rfm') }}

),

final as (

    select
        profiles.shop_id,
        profiles.customer_id,
        profiles.shopify_customer_id,
        shops.shop_domain,
        profiles.points_balance,
        profiles.lifetime_points_earned,
        profiles.lifetime_points_redeemed,
        profiles.lifetime_spent,
        profiles.lifetime_orders,
        tiers.tier_level,
        tiers.name as tier_name,
        profiles.is_vip,
        profiles.is_active,
        profiles.email_opt_in,
        profiles.sms_opt_in,
        {{ segment_timestamp('profiles.created_at') }} as created_at,
        {{ segment_timestamp('profiles.birthday') }} as birthday,
        {{ segment_timestamp('profiles.last_purchase_at') }} as last_order_at,
        {{ segment_timestamp('profiles.last_login_at') }} as last_login_at,
        {{ segment_timestamp('profiles.last_points_earned_at') }} as last_points_earned_at,
        {{ segment_timestamp('profiles.tier_achieved_at') }} as tier_achieved_at,
        {{ segment_timestamp('profiles.tier_expires_at') }} as tier_expires_at,
        standings.points_to_next as points_to_next_tier,
        standings.spend_to_next as spend_to_next_tier,
        standings.orders_to_next as orders_to_next_tier,
        standings.is_at_risk,
        coalesce(expiries.points_expiring_30d, 0) as points_expiring_30d,
        {{ segment_timestamp('expiries.next_expiry_at') }} as next_expiry_at,
        rfm.orders_365d,
        rfm.spend_365d,
        rfm.r_score as recency_score,
        rfm.f_score as frequency_score,
        rfm.m_score as monetary_score,
        -- Consent is what was given: NULL is none. An unset is_active means the default, true.
        coalesce(profiles.email_opt_in, false)
        and coalesce(profiles.is_active, true)
        and coalesce(profiles.email, '') != '' as is_reachable_by_email,
        coalesce(profiles.sms_opt_in, false)
        and coalesce(profiles.is_active, true)
        and coalesce(profiles.phone, '') != '' as is_reachable_by_sms
    from profiles
    inner join shops on profiles.shop_id = shops.shop_id
    left join tiers
        on
            profiles.current_tier_id = tiers.tier_id
            and profiles.shop_id = tiers.shop_id
    left join standings on profiles.customer_id = standings.customer_id
    left join expiries on profiles.customer_id = expiries.customer_id
    left join rfm on profiles.customer_id = rfm.customer_id

)

select * from final

-- One row per shop, its settings filled in with the application's defaults.
with

shops as (

    select * from {{ ref('stg_shops') }}

),

timezones as (

    select * from {{ ref('shop_timezones') }}

),

configured as (

    select
        shops.shop_id,
        shops.shop_domain,
        coalesce(timezones.timezone, 'UTC') as timezone,
        coalesce(shops.loyalty_enabled, true) as loyalty_enabled,
        coalesce(shops.points_per_dollar, 1) as points_per_dollar,
        coalesce(shops.welcome_points, 100) as welcome_points,
        coalesce(shops.referral_points_referrer, 500) as referral_points_referrer,
        coalesce(shops.referral_points_referee, 250) as referral_points_referee,
        coalesce(shops.points_expire_enabled, false) as points_expire_enabled,
        coalesce(shops.points_expire_days, 365) as points_expire_days,
        coalesce(shops.loyalty_program_name, 'Loyalty Program') as loyalty_program_name,
        coalesce(shops.email_notifications_enabled, true) as email_notifications_enabled,
        coalesce(shops.sms_notifications_enabled, false) as sms_notifications_enabled,
        shops.created_at
    from shops
    left join timezones on lower(timezones.shop_domain) = lower(shops.shop_domain)

)

select * from configured

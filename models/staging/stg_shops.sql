-- One row per shop.
with

renamed as (

    select
        id as shop_id,
        shop_domain,
        loyalty_enabled,
        points_per_dollar,
        welcome_points,
        referral_points_referrer,
        referral_points_referee,
        points_expire_enabled,
        points_expire_days,
        brand_color,
        loyalty_program_name,
        email_notifications_enabled,
        sms_notifications_enabled,
        {{ clean_timestamp('created_at') }} as created_at,
        {{ clean_timestamp('updated_at') }} as updated_at
    from {{ source('raw', 'shops') }}
    where _deleted_at is null

)

select * from renamed

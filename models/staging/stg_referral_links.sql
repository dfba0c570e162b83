-- One row per referral link of a customer.
with

renamed as (

    select
        id as referral_link_id,
        customer_id,
        referral_code,
        referral_url,
        referrer_points,
        referee_points,
        referrer_discount_percentage,
        referee_discount_percentage,
        clicks,
        conversions,
        {{ money('total_revenue') }} as total_revenue,
        total_points_awarded,
        is_active,
        max_uses,
        current_uses,
        {{ clean_timestamp('expires_at') }} as expires_at,
        {{ clean_timestamp('created_at') }} as created_at,
        {{ clean_timestamp('updated_at') }} as updated_at,
        {{ clean_timestamp('last_used_at') }} as last_used_at
    from {{ source('raw', 'referral_links') }}
    where _deleted_at is null

)

select * from renamed

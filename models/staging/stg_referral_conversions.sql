-- One row per order that came by a referral link, without those dated after as_of.
with

renamed as (

    select
        id as referral_conversion_id,
        referral_link_id,
        referred_customer_id,
        order_id,
        {{ money('order_amount') }} as order_amount,
        referrer_points_awarded,
        referee_points_awarded,
        {{ money('referrer_discount_used') }} as referrer_discount_used,
        {{ money('referee_discount_used') }} as referee_discount_used,
        status,
        {{ clean_timestamp('converted_at') }} as converted_at,
        {{ clean_timestamp('processed_at') }} as processed_at
    from {{ source('raw', 'referral_conversions') }}
    where _deleted_at is null

)

select * from renamed
where converted_at <= {{ as_of() }} or converted_at is null

-- One row per redemption, without those dated after as_of.
with

renamed as (

    select
        id as redemption_id,
        customer_id,
        reward_id,
        points_spent,
        status,
        discount_code,
        {{ money('discount_amount') }} as discount_amount,
        reward_data,
        case
            when {{ clean_timestamp('used_at') }} <= {{ as_of() }} then used_at
        end as used_at,
        used_order_id,
        {{ clean_timestamp('expires_at') }} as expires_at,
        failure_reason,
        retry_count,
        {{ clean_timestamp('redeemed_at') }} as redeemed_at,
        {{ clean_timestamp('processed_at') }} as processed_at
    from {{ source('raw', 'redemption_logs') }}
    where _deleted_at is null

)

select * from renamed
where redeemed_at <= {{ as_of() }} or redeemed_at is null

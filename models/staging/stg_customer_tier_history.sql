-- One row per entry of a customer's tier history, without those dated after as_of.
with

renamed as (

    select
        id as tier_history_id,
        customer_id,
        tier_id,
        {{ clean_timestamp('achieved_at') }} as achieved_at,
        {{ clean_timestamp('expires_at') }} as expires_at,
        reason,
        points_at_achievement,
        {{ money('spend_at_achievement') }} as spend_at_achievement,
        orders_at_achievement,
        is_current,
        case
            when {{ clean_timestamp('ended_at') }} <= {{ as_of() }} then ended_at
        end as ended_at
    from {{ source('raw', 'customer_tier_history') }}
    where _deleted_at is null

)

select * from renamed
where achieved_at <= {{ as_of() }} or achieved_at is null

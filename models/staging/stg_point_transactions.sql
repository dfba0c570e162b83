-- One row per change of a customer's points, without those dated after as_of.
with

renamed as (

    select
        id as transaction_id,
        customer_id,
        transaction_type,
        points_amount,
        points_balance_after,
        source,
        source_id,
        description,
        order_id,
        campaign_id,
        redemption_id,
        {{ clean_timestamp('expires_at') }} as expires_at,
        case
            when {{ clean_timestamp('expired_at') }} <= {{ as_of() }} then expired_at
        end as expired_at,
        {{ clean_timestamp('created_at') }} as created_at,
        created_by
    from {{ source('raw', 'point_transactions') }}
    where _deleted_at is null

)

select * from renamed
where created_at <= {{ as_of() }} or created_at is null

-- One row per campaign and customer who joined it, without those dated after as_of.
with

renamed as (

    select
        id as participation_id,
        campaign_id,
        customer_id,
        {{ clean_timestamp('joined_at') }} as joined_at,
        points_earned,
        orders_made,
        {{ money('amount_spent') }} as amount_spent,
        is_active,
        {{ clean_timestamp('completed_at') }} as completed_at
    from {{ source('raw', 'campaign_participations') }}
    where _deleted_at is null

)

select * from renamed
where joined_at <= {{ as_of() }} or joined_at is null

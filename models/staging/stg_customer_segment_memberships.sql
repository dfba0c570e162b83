-- One row per segment and customer in the application's own memberships.
with

renamed as (

    select
        id as membership_id,
        segment_id,
        customer_id,
        {{ clean_timestamp('added_at') }} as added_at,
        {{ clean_timestamp('removed_at') }} as removed_at,
        is_active,
        qualification_reason,
        qualification_data
    from {{ source('raw', 'customer_segment_memberships') }}
    where _deleted_at is null

)

select * from renamed

-- One row per segment of a shop.
with

renamed as (

    select
        id as segment_id,
        shop_id,
        name,
        description,
        segment_type,
        criteria,
        customer_count,
        {{ money('avg_lifetime_value') }} as avg_lifetime_value,
        avg_points_balance,
        is_active,
        auto_update,
        {{ clean_timestamp('created_at') }} as created_at,
        {{ clean_timestamp('updated_at') }} as updated_at,
        {{ clean_timestamp('last_computed_at') }} as last_computed_at
    from {{ source('raw', 'customer_segments') }}
    where _deleted_at is null

)

select * from renamed

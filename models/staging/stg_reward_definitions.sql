-- One row per reward of a shop.
with

renamed as (

    select
        id as reward_id,
        shop_id,
        name,
        description,
        reward_type,
        points_cost,
        reward_value,
        is_active,
        is_featured,
        max_redemptions_per_customer,
        max_redemptions_total,
        current_redemptions,
        {{ clean_timestamp('valid_from') }} as valid_from,
        {{ clean_timestamp('valid_until') }} as valid_until,
        min_tier_level,
        allowed_tier_ids,
        image_url,
        sort_order,
        {{ clean_timestamp('created_at') }} as created_at,
        {{ clean_timestamp('updated_at') }} as updated_at
    from {{ source('raw', 'reward_definitions') }}
    where _deleted_at is null

)

select * from renamed

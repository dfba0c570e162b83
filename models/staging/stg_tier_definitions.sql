-- One row per tier of a shop.
with

renamed as (

    select
        id as tier_id,
        shop_id,
        name,
        description,
        tier_level,
        color,
        icon,
        tier_type,
        min_points_required,
        {{ money('min_spend_required') }} as min_spend_required,
        min_orders_required,
        qualification_period_days,
        points_multiplier,
        discount_percentage,
        free_shipping,
        early_access,
        birthday_bonus_points,
        requires_maintenance,
        maintenance_period_days,
        is_active,
        is_default,
        {{ clean_timestamp('created_at') }} as created_at,
        {{ clean_timestamp('updated_at') }} as updated_at
    from {{ source('raw', 'tier_definitions') }}
    where _deleted_at is null

)

select * from renamed

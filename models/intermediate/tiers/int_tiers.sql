-- One row per tier of a shop, its settings filled in with the application's defaults.
with

tiers as (

    select * from {{ ref('stg_tier_definitions') }}

),

configured as (

    select
        tier_id,
        shop_id,
        name,
        tier_level,
        case
            when tier_type in ('points_based', 'spend_based') then tier_type
            else 'hybrid'
        end as tier_type,
        coalesce(min_points_required, 0) as min_points_required,
        coalesce(min_spend_required, 0) as min_spend_required,
        coalesce(min_orders_required, 0) as min_orders_required,
        coalesce(qualification_period_days, 365) as qualification_period_days,
        coalesce(points_multiplier, 1) as points_multiplier,
        coalesce(discount_percentage, 0) as discount_percentage,
        coalesce(free_shipping, false) as free_shipping,
        coalesce(early_access, false) as early_access,
        coalesce(birthday_bonus_points, 0) as birthday_bonus_points,
        coalesce(requires_maintenance, false) as requires_maintenance,
        coalesce(maintenance_period_days, 365) as maintenance_period_days,
        coalesce(is_active, true) as is_active,
        coalesce(is_default, false) as is_default,
        created_at,
        updated_at
    from tiers

)

select * from configured

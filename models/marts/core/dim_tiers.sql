-- One row per tier of a shop.
{{ config(
    unique_key=['shop_id', 'tier_id'],
    indexes=[{'columns': ['shop_id', 'tier_id'], 'unique': true}],
) }}

with

tiers as (

    select * from {{ ref('int_tiers') }}

)

select
    shop_id,
    tier_id,
    name,
    tier_level,
    tier_type,
    min_points_required,
    min_spend_required,
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
    created_at
from tiers

-- One row per reward of a shop.
{{ config(
    unique_key=['shop_id', 'reward_id'],
    indexes=[{'columns': ['shop_id', 'reward_id'], 'unique': true}],
) }}

with

rewards as (

    select * from {{ ref('stg_reward_definitions') }}

)

select
    shop_id,
    reward_id,
    name,
    reward_type,
    points_cost,
    reward_value,
    coalesce(is_active, true) as is_active,
    coalesce(is_featured, false) as is_featured,
    max_redemptions_per_customer,
    max_redemptions_total,
    current_redemptions,
    valid_from,
    valid_until,
    coalesce(min_tier_level, 1) as min_tier_level,
    allowed_tier_ids,
    created_at
from rewards

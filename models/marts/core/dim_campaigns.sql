-- One row per campaign of a shop.
{{ config(
    unique_key=['shop_id', 'campaign_id'],
    indexes=[{'columns': ['shop_id', 'campaign_id'], 'unique': true}],
) }}

with

campaigns as (

    select * from {{ ref('stg_campaigns') }}

)

select
    shop_id,
    campaign_id,
    name,
    campaign_type,
    status,
    starts_at,
    ends_at,
    coalesce(bonus_points, 0) as bonus_points,
    coalesce(bonus_multiplier, 1) as bonus_multiplier,
    coalesce(target_all_customers, true) as target_all_customers,
    target_tier_ids,
    max_participants,
    budget_limit,
    current_participants,
    current_spend,
    coalesce(is_featured, false) as is_featured,
    created_at
from campaigns

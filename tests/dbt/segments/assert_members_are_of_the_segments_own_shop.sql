{{ config(meta={'dagster': {'ref': {'name': 'customer_segment_memberships'}}}) }}
-- A rule can never see another shop.
select
    memberships.segment_id,
    memberships.customer_id
from {{ ref('customer_segment_memberships') }} as memberships
inner join {{ ref('int_customer_features') }} as features
    on memberships.customer_id = features.customer_id
where memberships.shop_id != features.shop_id

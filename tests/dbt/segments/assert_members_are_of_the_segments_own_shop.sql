{#- Of the past raw knows the memberships, but not which shop a customer was of. -#}
{{ config(
    enabled=target.name != 'asof',
    meta={'dagster': {'ref': {'name': 'customer_segment_memberships'}}},
) }}
-- A rule can never see another shop. Ended stays of a customer who changed shops remain.
select
    memberships.segment_id,
    memberships.customer_id
from {{ ref('customer_segment_memberships') }} as memberships
inner join {{ ref('int_customer_features') }} as features
    on memberships.customer_id = features.customer_id
where
    memberships.is_active
    and memberships.shop_id != features.shop_id

{{ config(meta={'dagster': {'ref': {'name': 'segment_performance'}}}) }}
-- Parts are not larger than their wholes, and shorter windows hold no more than longer ones.
select
    segment_id,
    customers
from {{ ref('segment_performance') }}
where
    share_of_customers not between 0 and 1
    or share_of_revenue_365d not between 0 and 1
    or active_members_30d > customers
    or buyers_365d > least(customers, orders_365d)
    or reachable_by_email > customers
    or reachable_by_sms > customers
    or orders_30d > orders_90d
    or orders_90d > orders_365d
    or revenue_30d > revenue_90d
    or revenue_90d > revenue_365d

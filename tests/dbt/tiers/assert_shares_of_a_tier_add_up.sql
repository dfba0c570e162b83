{{ config(meta={'dagster': {'ref': {'name': 'fct_tier_migrations'}}}) }}
-- States whose customers' shares do not add up to all of them, but for the rounding of each.
select
    shop_id,
    month,
    from_state,
    sum(share) as shares
from {{ ref('fct_tier_migrations') }}
group by shop_id, month, from_state
having abs(sum(share) - 1) > 0.0000005 * count(*)

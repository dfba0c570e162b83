{{ config(meta={'dagster': {'ref': {'name': 'tier_standings'}}}) }}
-- Standings where nothing is missing to the next tier, yet the customer qualifies for a lower one
-- or none; or where something is, yet it is the next one that the customer qualifies for.
select
    standings.shop_id,
    standings.customer_id,
    standings.eligible_tier_id,
    standings.next_tier_id
from {{ ref('tier_standings') }} as standings
inner join {{ ref('dim_tiers') }} as next_tiers
    on standings.next_tier_id = next_tiers.tier_id
left join {{ ref('dim_tiers') }} as eligible_tiers
    on standings.eligible_tier_id = eligible_tiers.tier_id
where
    case
        when
            standings.points_to_next = 0
            and standings.spend_to_next = 0
            and standings.orders_to_next = 0
            then coalesce(eligible_tiers.tier_level, 0) < next_tiers.tier_level
        else standings.eligible_tier_id = standings.next_tier_id
    end

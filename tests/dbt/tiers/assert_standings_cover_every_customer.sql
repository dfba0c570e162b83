{{ config(meta={'dagster': {'ref': {'name': 'tier_standings'}}}) }}
-- Customers without a standing.
select customers.customer_id
from {{ ref('dim_customers') }} as customers
left join {{ ref('tier_standings') }} as standings
    on customers.customer_id = standings.customer_id
where standings.customer_id is null

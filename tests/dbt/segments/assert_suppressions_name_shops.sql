{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'segment_contacts'}}}) }}
-- A suppression of a shop that does not exist keeps nobody from being contacted.
select
    suppressions.suppression_id,
    suppressions.shop_domain
from {{ source('ops', 'suppressions') }} as suppressions
left join {{ ref('int_shops') }} as shops
    on lower(suppressions.shop_domain) = lower(shops.shop_domain)
where
    suppressions.shop_domain is not null
    and shops.shop_id is null

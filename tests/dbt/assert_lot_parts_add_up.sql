{{ config(meta={'dagster': {'ref': {'name': 'fct_point_lots'}}}) }}
-- Lots whose parts do not add up to what was issued, or of which more was taken than they held.
select *
from {{ ref('fct_point_lots') }}
where
    {{ is_touched('customer_id') }}
    and (
        points_issued <> points_redeemed + points_expired + points_reversed + points_remaining
        or least(points_redeemed, points_expired, points_reversed, points_remaining) < 0
    )

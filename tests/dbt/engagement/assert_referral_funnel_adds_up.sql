{{ config(meta={'dagster': {'ref': {'name': 'fct_referral_funnel'}}}) }}
-- Links whose conversions by status are not all conversions, or with more clickers than clicks.
select
    customer_id,
    referral_link_id,
    clicks,
    unidentified_clicks,
    unique_clickers,
    converted_clicks,
    conversions,
    completed_conversions,
    conversion_rate,
    revenue
from {{ ref('fct_referral_funnel') }}
where
    conversions
    != completed_conversions + pending_conversions + cancelled_conversions + other_conversions
    or unidentified_clicks > unique_clickers
    or unique_clickers > clicks
    or converted_clicks > clicks
    or (unique_clickers = 0) != (clicks = 0)
    or (clicks = 0 and conversion_rate is not null)
    or (completed_conversions = 0 and (revenue != 0 or conversion_rate != 0))

{{ config(meta={'dagster': {'ref': {'name': 'fct_redemptions'}}}) }}
-- Shops whose redemptions that count are not as many as loyalty_analytics has on its days.
with

redemptions as (

    select
        shop_id,
        count(*) as redemptions
    from {{ ref('fct_redemptions') }}
    where is_counted and redeemed_at is not null
    group by shop_id

),

days as (

    select
        shop_id,
        sum(redemptions_count) as redemptions
    from {{ ref('loyalty_analytics') }}
    where period_type = 'daily'
    group by shop_id

)

select
    days.shop_id,
    redemptions.redemptions,
    days.redemptions as redemptions_of_days
from days
left join redemptions
    on days.shop_id = redemptions.shop_id
where coalesce(redemptions.redemptions, 0) != days.redemptions

-- One row per purchase: an earned entry of the ledger with source purchase and an order id. It
-- tells how many points a dollar earned at that moment, hence what the order came to.
{{ config(materialized='table', unlogged=true) }}

with

purchases as (

    select
        shop_id,
        order_id,
        transaction_id,
        customer_id,
        campaign_id,
        occurred_at,
        points_amount
    from {{ ref('fct_point_ledger') }}
    where
        transaction_type = 'earned'
        and source = 'purchase'
        -- An empty order id is none.
        and order_id != ''
        and {{ is_touched('customer_id') }}

),

shops as (

    select
        shop_id,
        points_per_dollar
    from {{ ref('int_shops') }}

),

tiers as (

    select
        tier_id,
        tier_level,
        points_multiplier
    from {{ ref('int_tiers') }}

),

lowest_tiers as (

    select
        shop_id,
        min(tier_level) as tier_level
    from {{ ref('int_tiers') }}
    group by shop_id

),

spans as (

    select
        customer_id,
        tier_id,
        coalesce(valid_from, '-infinity') as valid_from,
        coalesce(valid_to, 'infinity') as valid_to
    from {{ ref('fct_tier_progressions') }}

),

campaigns as (

    select
        campaign_id,
        bonus_multiplier
    from {{ ref('stg_campaigns') }}

)

select
    purchases.shop_id,
    purchases.order_id,
    purchases.transaction_id,
    purchases.customer_id,
    purchases.occurred_at,
    purchases.points_amount,
    case
        when
            shops.points_per_dollar > 0
            and coalesce(tiers.points_multiplier, 1) > 0
            and coalesce(campaigns.bonus_multiplier, 1) > 0
            then
                shops.points_per_dollar
                * coalesce(tiers.points_multiplier, 1)
                * coalesce(campaigns.bonus_multiplier, 1)
    end as earning_rate,
    coalesce(tiers.tier_level > lowest_tiers.tier_level, false) as is_above_lowest_tier,
    -- An order's buyer and time are those of its first dated purchase.
    row_number() over (
        partition by purchases.shop_id, purchases.order_id
        order by purchases.occurred_at nulls last, purchases.transaction_id
    ) as purchase_no
from purchases
inner join shops
    on purchases.shop_id = shops.shop_id
left join spans
    on
        purchases.customer_id = spans.customer_id
        and purchases.occurred_at >= spans.valid_from
        and purchases.occurred_at < spans.valid_to
left join tiers
    on spans.tier_id = tiers.tier_id
left join lowest_tiers
    on purchases.shop_id = lowest_tiers.shop_id
left join campaigns
    on purchases.campaign_id = campaigns.campaign_id

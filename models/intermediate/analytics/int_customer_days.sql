-- One row per customer and local day on which something happened that loyalty_analytics counts, and
-- one without a day for what has no time: that came before every period. The rollups' one base.
with

totals as (

    select * from {{ ref('int_customer_day_totals') }}

)

select
    shop_id,
    customer_id,
    nullif(occurred_on, '-infinity') as occurred_on,
    is_active,
    is_first_in_week,
    is_first_in_month,
    coalesce(new_customers, 0) as new_customers,
    coalesce(entries, 0) as entries,
    coalesce(points_earned, 0) as points_earned,
    coalesce(points_bonus, 0) as points_bonus,
    coalesce(points_redeemed, 0) as points_redeemed,
    coalesce(points_expired, 0) as points_expired,
    coalesce(points_adjusted, 0) as points_adjusted,
    coalesce(points_refunded, 0) as points_refunded,
    coalesce(points_other, 0) as points_other,
    coalesce(orders, 0) as orders,
    coalesce(revenue, 0.00) as revenue,
    coalesce(loyalty_revenue, 0.00) as loyalty_revenue,
    coalesce(redemptions, 0) as redemptions,
    coalesce(referrals, 0) as referrals,
    coalesce(participations, 0) as participations,
    coalesce(tier_upgrades, 0) as tier_upgrades,
    coalesce(tier_downgrades, 0) as tier_downgrades
from totals

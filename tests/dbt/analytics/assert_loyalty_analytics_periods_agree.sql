{{ config(meta={'dagster': {'ref': {'name': 'loyalty_analytics'}}}) }}
-- What adds up over days comes to the same in weeks and months.
with

totals as (

    select
        shop_id,
        period_type,
        array[
            sum(new_customers),
            sum(points_earned),
            sum(points_redeemed),
            sum(points_expired),
            sum(points_adjusted),
            sum(points_refunded),
            sum(total_revenue),
            sum(loyalty_revenue),
            sum(redemptions_count),
            sum(referrals_count),
            sum(campaign_participations),
            sum(tier_upgrades),
            sum(tier_downgrades)
        ] as flows
    from {{ ref('loyalty_analytics') }}
    group by shop_id, period_type

)

select
    days.shop_id,
    periods.period_type,
    days.flows as flows_by_day,
    periods.flows as flows_by_period
from totals as days
left join totals as periods
    on days.shop_id = periods.shop_id
where
    days.period_type = 'daily'
    and days.flows is distinct from periods.flows

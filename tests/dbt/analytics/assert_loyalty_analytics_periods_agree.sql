{{ config(meta={'dagster': {'ref': {'name': 'loyalty_analytics'}}}) }}
-- What adds up over days comes to the same in weeks and months. A revenue too large for its column
-- is NULL: the shop's revenues are left out then.
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
            sum(redemptions_count),
            sum(referrals_count),
            sum(campaign_participations),
            sum(tier_upgrades),
            sum(tier_downgrades)
        ] as flows,
        case when count(*) = count(total_revenue) then sum(total_revenue) end as total_revenue,
        case when count(*) = count(loyalty_revenue) then sum(loyalty_revenue) end as loyalty_revenue
    from {{ ref('loyalty_analytics') }}
    where {{ is_touched_shop('shop_id') }}
    group by shop_id, period_type

)

select
    days.shop_id,
    periods.period_type,
    days.flows as flows_by_day,
    periods.flows as flows_by_period,
    days.total_revenue as total_revenue_by_day,
    periods.total_revenue as total_revenue_by_period,
    days.loyalty_revenue as loyalty_revenue_by_day,
    periods.loyalty_revenue as loyalty_revenue_by_period
from totals as days
left join totals as periods
    on days.shop_id = periods.shop_id
where
    days.period_type = 'daily'
    and (
        days.flows is distinct from periods.flows
        or days.total_revenue != periods.total_revenue
        or days.loyalty_revenue != periods.loyalty_revenue
    )

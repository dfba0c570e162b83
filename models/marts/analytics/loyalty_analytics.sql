-- One row per shop, period type (daily, weekly, monthly) and period, from the shop's first event
-- to as_of, also where nothing happened.
{{ config(
    unique_key=['shop_id', 'period_type', 'date'],
    indexes=[{'columns': ['shop_id', 'period_type', 'date'], 'unique': true}],
    meta={'touched': 'shops'},
) }}

with

shops as (

    select
        shop_id,
        timezone
    from {{ ref('int_shops') }}

),

shop_days as (

    select * from {{ ref('int_shop_days') }}

),

tier_distributions as (

    select
        shop_id,
        day_on,
        tier_distributions
    from {{ ref('int_tier_distributions') }}

),

-- What has no time makes a period without a date here: it comes first in the running sums.
periods as (

    select
        shop_days.shop_id,
        period.period_type,
        {{ period_start('shop_days.day_on', 'period.period_type') }} as date,
        max(shop_days.day_on) as last_on,
        sum(
            case period.period_type
                when 'daily' then shop_days.active_customers
                when 'weekly' then shop_days.newly_active_in_week
                when 'monthly' then shop_days.newly_active_in_month
            end
        ) as active_customers,
        sum(shop_days.new_customers) as new_customers,
        sum(shop_days.points_earned) as points_earned,
        sum(shop_days.points_redeemed) as points_redeemed,
        sum(shop_days.points_expired) as points_expired,
        sum(shop_days.points_adjusted) as points_adjusted,
        sum(shop_days.points_refunded) as points_refunded,
        sum(shop_days.points_other) as points_other,
        sum(shop_days.revenue) as total_revenue,
        sum(shop_days.loyalty_revenue) as loyalty_revenue,
        sum(shop_days.redemptions) as redemptions_count,
        sum(shop_days.referrals) as referrals_count,
        sum(shop_days.participations) as campaign_participations,
        sum(shop_days.tier_upgrades) as tier_upgrades,
        sum(shop_days.tier_downgrades) as tier_downgrades
    from shop_days
    cross join (values ('daily'), ('weekly'), ('monthly')) as period (period_type)
    group by shop_days.shop_id, period.period_type, date

),

changes as (

    select
        *,
        points_earned - points_redeemed - points_expired
        + points_adjusted + points_refunded + points_other as points_change
    from periods

),

standings as (

    select
        *,
        sum(new_customers) over shop_periods as total_customers,
        sum(points_change) over shop_periods as closing_points
    from changes
    window shop_periods as (
        partition by shop_id, period_type
        order by date nulls first
        rows between unbounded preceding and current row
    )

)

select
    standings.shop_id,
    standings.period_type,
    standings.date,
    {{ local_midnight('standings.date', 'shops.timezone') }} as period_starts_at,
    {{ period_end('standings.date', 'standings.period_type') }}
    <= {{ local_date(as_of(), 'shops.timezone') }} as is_complete,
    standings.total_customers::bigint as total_customers,
    standings.new_customers::bigint as new_customers,
    standings.active_customers::bigint as active_customers,
    standings.points_earned::bigint as points_earned,
    standings.points_redeemed::bigint as points_redeemed,
    standings.points_expired::bigint as points_expired,
    standings.points_adjusted::bigint as points_adjusted,
    standings.points_refunded::bigint as points_refunded,
    (standings.closing_points - standings.points_change)::bigint as opening_points,
    standings.closing_points::bigint as closing_points,
    {{ money('standings.total_revenue') }} as total_revenue,
    {{ money('standings.loyalty_revenue') }} as loyalty_revenue,
    standings.redemptions_count::bigint as redemptions_count,
    standings.referrals_count::bigint as referrals_count,
    standings.campaign_participations::bigint as campaign_participations,
    coalesce(tier_distributions.tier_distributions, '{}'::jsonb) as tier_distributions,
    standings.tier_upgrades::bigint as tier_upgrades,
    standings.tier_downgrades::bigint as tier_downgrades
from standings
inner join shops
    on standings.shop_id = shops.shop_id
left join tier_distributions
    on
        standings.shop_id = tier_distributions.shop_id
        and standings.last_on = tier_distributions.day_on
where standings.date is not null

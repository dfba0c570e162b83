-- One row per shop, period type and period in the application's own figures.
with

renamed as (

    select
        id as analytics_id,
        shop_id,
        {{ clean_timestamp('date') }} as period_starts_at,
        period_type,
        total_customers,
        active_customers,
        new_customers,
        points_earned,
        points_redeemed,
        points_expired,
        {{ money('total_revenue') }} as total_revenue,
        {{ money('loyalty_revenue') }} as loyalty_revenue,
        redemptions_count,
        referrals_count,
        campaign_participations,
        tier_distributions,
        tier_upgrades,
        tier_downgrades,
        {{ clean_timestamp('computed_at') }} as computed_at
    from {{ source('raw', 'loyalty_analytics') }}
    where _deleted_at is null

)

select * from renamed

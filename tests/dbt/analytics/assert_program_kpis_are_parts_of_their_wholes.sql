{{ config(meta={'dagster': {'ref': {'name': 'program_kpis'}}}) }}
-- The days are those of loyalty_analytics, with its members, points and redemptions; and no part is
-- larger than its whole.
with

days as (

    select
        shop_id,
        date,
        is_complete,
        total_customers,
        points_earned,
        points_redeemed
    from {{ ref('loyalty_analytics') }}
    where
        period_type = 'daily'
        and {{ is_touched_shop('shop_id') }}

),

kpis as (

    select
        shop_id,
        date,
        is_complete,
        total_members,
        active_members,
        buyers_90d,
        repeat_buyers_90d,
        points_earned,
        points_redeemed,
        lifetime_redemptions,
        lifetime_redemptions_used
    from {{ ref('program_kpis') }}
    where {{ is_touched_shop('shop_id') }}

)

select
    coalesce(kpis.shop_id, days.shop_id) as shop_id,
    coalesce(kpis.date, days.date) as date,
    kpis.total_members,
    days.total_customers,
    kpis.active_members,
    kpis.buyers_90d,
    kpis.repeat_buyers_90d,
    kpis.lifetime_redemptions,
    kpis.lifetime_redemptions_used
from kpis
full outer join days
    on
        kpis.shop_id = days.shop_id
        and kpis.date = days.date
where
    (kpis.is_complete, kpis.total_members, kpis.points_earned, kpis.points_redeemed)
    is distinct from
    (days.is_complete, days.total_customers, days.points_earned, days.points_redeemed)
    or not kpis.active_members between 0 and kpis.total_members
    or not kpis.repeat_buyers_90d between 0 and kpis.buyers_90d
    or not kpis.lifetime_redemptions_used between 0 and kpis.lifetime_redemptions

-- One row per customer and local day on which something happened that loyalty_analytics counts, and
-- one of the day -infinity for what has no time: that came before every period. What a day has none
-- of is NULL, which takes no space.
{{ config(
    materialized='incremental',
    incremental_strategy='reconcile',
    on_schema_change='append_new_columns',
    full_refresh=false,
    unique_key=['customer_id', 'occurred_on'],
    indexes=[{'columns': ['customer_id', 'occurred_on'], 'unique': true}],
    meta={'touched': 'customers'},
) }}

with

shops as (

    select
        shop_id,
        timezone
    from {{ ref('int_shops') }}

),

-- Every reference to the profiles has its own name: a query that reads one twice would not be sent
-- to where the customers are.
enrolments as (

    select
        customer_id,
        shop_id,
        created_at
    from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched('customer_id') }}

),

redeemers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched('customer_id') }}

),

participants as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched('customer_id') }}

),

referred_customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched('customer_id') }}

),

events as (

    select
        shop_id,
        customer_id,
        occurred_at,
        case
            when
                transaction_type in (
                    'earned', 'bonus', 'redeemed', 'expired', 'adjusted', 'refunded'
                )
                then transaction_type
            else 'other'
        end as event,
        transaction_type in ('earned', 'bonus', 'redeemed', 'refunded') as is_activity,
        points_amount as points,
        null::numeric as amount,
        null::numeric as loyalty_amount
    from {{ ref('fct_point_ledger') }}
    where {{ is_touched('customer_id') }}

    union all

    select
        shop_id,
        customer_id,
        created_at as occurred_at,
        'enrolment' as event,
        false as is_activity,
        null as points,
        null as amount,
        null as loyalty_amount
    from enrolments

    union all

    select
        redeemers.shop_id,
        redeemers.customer_id,
        redemptions.redeemed_at as occurred_at,
        case
            when redemptions.status in ('failed', 'cancelled') then 'redemption undone'
            else 'redemption'
        end as event,
        redemptions.status is null
        or redemptions.status not in ('failed', 'cancelled') as is_activity,
        null as points,
        null as amount,
        null as loyalty_amount
    from {{ ref('stg_redemption_logs') }} as redemptions
    inner join redeemers
        on redemptions.customer_id = redeemers.customer_id

    union all

    select
        participants.shop_id,
        participants.customer_id,
        participations.joined_at as occurred_at,
        'participation' as event,
        true as is_activity,
        null as points,
        null as amount,
        null as loyalty_amount
    from {{ ref('stg_campaign_participations') }} as participations
    inner join participants
        on participations.customer_id = participants.customer_id

    union all

    select
        referred_customers.shop_id,
        referred_customers.customer_id,
        conversions.converted_at as occurred_at,
        case
            when conversions.status = 'completed' then 'referral'
            else 'referral not completed'
        end as event,
        false as is_activity,
        null as points,
        null as amount,
        null as loyalty_amount
    from {{ ref('stg_referral_conversions') }} as conversions
    inner join referred_customers
        on conversions.referred_customer_id = referred_customers.customer_id

    union all

    select
        shop_id,
        customer_id,
        valid_from as occurred_at,
        'tier ' || direction as event,
        false as is_activity,
        null as points,
        null as amount,
        null as loyalty_amount
    from {{ ref('fct_tier_progressions') }}
    where {{ is_touched('customer_id') }}

    union all

    select
        shop_id,
        customer_id,
        ordered_at as occurred_at,
        'order' as event,
        false as is_activity,
        null as points,
        amount,
        case when is_loyalty_order then amount end as loyalty_amount
    from {{ ref('fct_orders') }}
    where {{ is_touched('customer_id') }}

),

days as (

    select
        events.shop_id,
        events.customer_id,
        coalesce(
            {{ local_date('events.occurred_at', 'shops.timezone') }}, '-infinity'
        ) as occurred_on,
        bool_or(events.is_activity and events.occurred_at is not null) as is_active,
        count(*) filter (where events.event = 'enrolment') as new_customers,
        count(events.points) as entries,
        sum(events.points) filter (where events.event in ('earned', 'bonus')) as points_earned,
        sum(events.points) filter (where events.event = 'bonus') as points_bonus,
        -sum(events.points) filter (where events.event = 'redeemed') as points_redeemed,
        -sum(events.points) filter (where events.event = 'expired') as points_expired,
        sum(events.points) filter (where events.event = 'adjusted') as points_adjusted,
        sum(events.points) filter (where events.event = 'refunded') as points_refunded,
        sum(events.points) filter (where events.event = 'other') as points_other,
        count(*) filter (where events.event = 'order') as orders,
        sum(events.amount) as revenue,
        sum(events.loyalty_amount) as loyalty_revenue,
        count(*) filter (where events.event = 'redemption') as redemptions,
        count(*) filter (where events.event = 'referral') as referrals,
        count(*) filter (where events.event = 'participation') as participations,
        count(*) filter (where events.event = 'tier upgrade') as tier_upgrades,
        count(*) filter (where events.event = 'tier downgrade') as tier_downgrades
    from events
    inner join shops
        on events.shop_id = shops.shop_id
    -- A customer has one shop: in this order one sort serves the grouping and the look back.
    group by events.customer_id, occurred_on, events.shop_id

),

days_in_sequence as (

    select
        *,
        max(occurred_on) filter (where is_active) over (
            partition by customer_id
            order by occurred_on
            rows between unbounded preceding and 1 preceding
        ) as previous_on
    from days

)

select
    shop_id,
    customer_id,
    occurred_on,
    is_active,
    is_active and coalesce(
        {{ period_start('previous_on', "'weekly'") }}
        < {{ period_start('occurred_on', "'weekly'") }},
        true
    ) as is_first_in_week,
    is_active and coalesce(
        {{ period_start('previous_on', "'monthly'") }}
        < {{ period_start('occurred_on', "'monthly'") }},
        true
    ) as is_first_in_month,
    nullif(new_customers, 0) as new_customers,
    nullif(entries, 0) as entries,
    nullif(points_earned, 0)::bigint as points_earned,
    nullif(points_bonus, 0)::bigint as points_bonus,
    nullif(points_redeemed, 0)::bigint as points_redeemed,
    nullif(points_expired, 0)::bigint as points_expired,
    nullif(points_adjusted, 0)::bigint as points_adjusted,
    nullif(points_refunded, 0)::bigint as points_refunded,
    nullif(points_other, 0)::bigint as points_other,
    nullif(orders, 0) as orders,
    revenue,
    loyalty_revenue,
    nullif(redemptions, 0) as redemptions,
    nullif(referrals, 0) as referrals,
    nullif(participations, 0) as participations,
    nullif(tier_upgrades, 0) as tier_upgrades,
    nullif(tier_downgrades, 0) as tier_downgrades
from days_in_sequence

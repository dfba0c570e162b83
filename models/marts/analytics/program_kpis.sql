-- One row per shop and local day, from the shop's first event to as_of: the program's key figures
-- as they stood at the day's end.
{{ config(
    unique_key=['shop_id', 'date'],
    indexes=[{'columns': ['shop_id', 'date'], 'unique': true}],
    meta={'touched': 'shops'},
) }}

with

shops as (

    select
        shop_id,
        timezone
    from {{ ref('int_shops') }}
    where {{ is_touched_shop('shop_id') }}

),

shop_days as (

    select
        shop_id,
        day_on,
        new_customers,
        points_earned,
        points_redeemed,
        redemptions
    from {{ ref('int_shop_days') }}
    where {{ is_touched_shop('shop_id') }}

),

customer_windows as (

    select
        shop_id,
        measure,
        begins_on,
        ends_on
    from {{ ref('int_customer_windows') }}
    where {{ is_touched_shop('shop_id') }}

),

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched_shop('shop_id') }}

),

used_redemptions as (

    select
        customer_id,
        redeemed_at,
        used_at
    from {{ ref('stg_redemption_logs') }}
    where
        used_at <= {{ as_of() }}
        and (status is null or status not in ('failed', 'cancelled'))

),

vintages as (

    select
        shop_id,
        earn_month,
        redemption_rate
    from {{ ref('fct_point_vintages') }}
    where
        months_since = 11
        and {{ is_touched_shop('shop_id') }}

),

-- A use counts from the day on which its redemption does, so that uses never exceed redemptions.
uses as (

    select
        customers.shop_id,
        greatest(
            {{ local_date('used_redemptions.redeemed_at', 'shops.timezone') }},
            {{ local_date('used_redemptions.used_at', 'shops.timezone') }}
        ) as day_on
    from used_redemptions
    inner join customers
        on used_redemptions.customer_id = customers.customer_id
    inner join shops
        on customers.shop_id = shops.shop_id

),

-- What has no day (NULL) came before every day: it comes first in the running sums.
changes as (

    select
        shop_id,
        day_on,
        day_on is not null as is_day,
        null as measure,
        0 as customers,
        new_customers,
        points_earned,
        points_redeemed,
        redemptions,
        0 as uses
    from shop_days

    union all

    select
        customer_windows.shop_id,
        case change.customers
            when 1 then customer_windows.begins_on
            else customer_windows.ends_on
        end as day_on,
        false as is_day,
        customer_windows.measure,
        change.customers,
        0 as new_customers,
        0 as points_earned,
        0 as points_redeemed,
        0 as redemptions,
        0 as uses
    from customer_windows
    cross join (values (1), (-1)) as change (customers)

    union all

    select
        shop_id,
        day_on,
        false as is_day,
        null as measure,
        0 as customers,
        0 as new_customers,
        0 as points_earned,
        0 as points_redeemed,
        0 as redemptions,
        1 as uses
    from uses

),

days as (

    select
        shop_id,
        day_on,
        bool_or(is_day) as is_day,
        coalesce(sum(customers) filter (where measure = 'active_members'), 0) as active_members,
        coalesce(sum(customers) filter (where measure = 'buyers'), 0) as buyers,
        coalesce(sum(customers) filter (where measure = 'repeat_buyers'), 0) as repeat_buyers,
        sum(new_customers) as new_customers,
        sum(points_earned) as points_earned,
        sum(points_redeemed) as points_redeemed,
        sum(redemptions) as redemptions,
        sum(uses) as uses
    from changes
    group by shop_id, day_on

),

standings as (

    select
        shop_id,
        day_on,
        is_day,
        points_earned,
        points_redeemed,
        sum(active_members) over until_day as active_members,
        sum(buyers) over until_day as buyers,
        sum(repeat_buyers) over until_day as repeat_buyers,
        sum(new_customers) over until_day as total_members,
        sum(points_earned) over until_day as lifetime_points_earned,
        sum(points_redeemed) over until_day as lifetime_points_redeemed,
        sum(redemptions) over until_day as lifetime_redemptions,
        sum(uses) over until_day as lifetime_redemptions_used,
        sum(points_earned) over thirty_days as points_earned_30d,
        sum(points_redeemed) over thirty_days as points_redeemed_30d
    from days
    window
        until_day as (
            partition by shop_id
            order by day_on nulls first
            rows between unbounded preceding and current row
        ),
        -- What has no day is in no frame but its own.
        thirty_days as (
            partition by shop_id
            order by day_on nulls first
            range between interval '29 days' preceding and current row
        )

),

-- Where nothing was earned on balance, there is nothing of which a part could be redeemed.
rates as (

    select
        *,
        round(active_members / nullif(total_members, 0), 6) as engagement_rate,
        round(repeat_buyers / nullif(buyers, 0), 6) as repeat_purchase_rate,
        round(points_redeemed / nullif(greatest(points_earned, 0), 0), 6) as redemption_rate_day,
        round(
            points_redeemed_30d / nullif(greatest(points_earned_30d, 0), 0), 6
        ) as redemption_rate_30d,
        round(
            lifetime_points_redeemed / nullif(greatest(lifetime_points_earned, 0), 0), 6
        ) as redemption_rate_lifetime,
        round(
            lifetime_redemptions_used / nullif(lifetime_redemptions, 0), 6
        ) as reward_usage_rate
    from standings

)

select
    rates.shop_id,
    rates.day_on as date,
    rates.day_on < {{ local_date(as_of(), 'shops.timezone') }} as is_complete,
    rates.total_members::bigint as total_members,
    rates.active_members::bigint as active_members,
    rates.engagement_rate::numeric(9, 6) as engagement_rate,
    rates.buyers::bigint as buyers_90d,
    rates.repeat_buyers::bigint as repeat_buyers_90d,
    rates.repeat_purchase_rate::numeric(9, 6) as repeat_purchase_rate,
    rates.points_earned::bigint as points_earned,
    rates.points_redeemed::bigint as points_redeemed,
    -- A rate too large for its type tells nothing, and must not stop the others.
    (
        case when abs(rates.redemption_rate_day) < 1000 then rates.redemption_rate_day end
    )::numeric(9, 6) as redemption_rate_day,
    (
        case when abs(rates.redemption_rate_30d) < 1000 then rates.redemption_rate_30d end
    )::numeric(9, 6) as redemption_rate_30d,
    rates.lifetime_points_earned::bigint as lifetime_points_earned,
    rates.lifetime_points_redeemed::bigint as lifetime_points_redeemed,
    (
        case when abs(rates.redemption_rate_lifetime) < 1000 then rates.redemption_rate_lifetime end
    )::numeric(9, 6) as redemption_rate_lifetime,
    vintages.redemption_rate as redemption_rate_vintage,
    rates.lifetime_redemptions::bigint as lifetime_redemptions,
    rates.lifetime_redemptions_used::bigint as lifetime_redemptions_used,
    rates.reward_usage_rate::numeric(9, 6) as reward_usage_rate
from rates
inner join shops
    on rates.shop_id = shops.shop_id
left join vintages
    on
        rates.shop_id = vintages.shop_id
        and date_trunc('month', rates.day_on::timestamp) - interval '1 year' = vintages.earn_month
where rates.is_day

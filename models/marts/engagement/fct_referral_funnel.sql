-- One row per referral link: who clicked it, what orders came by it, and what that was worth. Who a
-- clicker is (address and browser) is counted here and not shown.
{{ config(
    unique_key=['customer_id', 'referral_link_id'],
    indexes=[
        {'columns': ['customer_id', 'referral_link_id'], 'unique': true},
        {'columns': ['shop_id']},
    ],
    meta={'touched': 'customers'},
) }}

with

links as (

    select
        referral_link_id,
        customer_id,
        is_active,
        created_at,
        clicks as recorded_clicks,
        conversions as recorded_conversions,
        total_revenue as recorded_revenue,
        total_points_awarded as recorded_points_awarded
    from {{ ref('stg_referral_links') }}
    where
        {{ is_touched('customer_id') }}
        and (created_at <= {{ as_of() }} or created_at is null)

),

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}

),

clicks as (

    select
        links.customer_id,
        clicks.referral_link_id,
        clicks.is_converted,
        -- An empty text is none.
        nullif(clicks.ip_address, '') as ip_address,
        nullif(clicks.user_agent, '') as user_agent
    from {{ ref('stg_referral_clicks') }} as clicks
    inner join {{ ref('stg_referral_links') }} as links
        on clicks.referral_link_id = links.referral_link_id
    where {{ is_touched('links.customer_id') }}

),

-- A customer of another shop was not referred here.
conversions as (

    select
        links.customer_id,
        conversions.referral_link_id,
        conversions.referral_conversion_id,
        nullif(conversions.order_id, '') as order_id,
        conversions.order_amount,
        coalesce(conversions.referrer_points_awarded, 0) as referrer_points,
        coalesce(conversions.referee_points_awarded, 0) as referee_points,
        coalesce(conversions.status, '') as status,
        conversions.referred_customer_id = links.customer_id as is_self_referral
    from {{ ref('stg_referral_conversions') }} as conversions
    inner join {{ ref('stg_referral_links') }} as links
        on conversions.referral_link_id = links.referral_link_id
    inner join {{ ref('stg_customer_loyalty_profiles') }} as referrers
        on links.customer_id = referrers.customer_id
    inner join {{ ref('stg_customer_loyalty_profiles') }} as referred
        on
            conversions.referred_customer_id = referred.customer_id
            and referrers.shop_id = referred.shop_id
    where {{ is_touched('links.customer_id') }}

),

clickers as (

    select
        customer_id,
        referral_link_id,
        ip_address is null and user_agent is null as is_unidentified,
        count(*) as clicks,
        count(*) filter (where is_converted) as converted_clicks
    from clicks
    group by customer_id, referral_link_id, ip_address, user_agent

),

clicked as (

    select
        customer_id,
        referral_link_id,
        sum(clicks)::bigint as clicks,
        sum(clicks) filter (where is_unidentified)::bigint as unidentified_clicks,
        -- Nobody can tell whether clicks of nobody known were one visitor's: each counts.
        sum(case when is_unidentified then clicks else 1 end)::bigint as unique_clickers,
        sum(converted_clicks)::bigint as converted_clicks
    from clickers
    group by customer_id, referral_link_id

),

conversions_in_sequence as (

    select
        *,
        row_number() over (
            partition by
                customer_id,
                referral_link_id,
                is_self_referral,
                order_id,
                -- Without an order id, each is its own.
                case when order_id is null then referral_conversion_id end
            order by (status = 'completed') desc, referral_conversion_id asc
        ) as conversion_no
    from conversions

),

classified_conversions as (

    select
        *,
        not is_self_referral and conversion_no = 1 as is_counted,
        not is_self_referral and conversion_no = 1 and status = 'completed' as is_completed
    from conversions_in_sequence

),

converted as (

    select
        customer_id,
        referral_link_id,
        count(*) filter (where is_counted) as conversions,
        count(*) filter (where is_completed) as completed_conversions,
        count(*) filter (where is_counted and status = 'pending') as pending_conversions,
        count(*) filter (where is_counted and status = 'cancelled') as cancelled_conversions,
        count(*) filter (
            where is_counted and status not in ('completed', 'pending', 'cancelled')
        ) as other_conversions,
        count(*) filter (where is_self_referral) as self_referrals,
        count(*) filter (
            where not is_self_referral and not is_counted
        ) as repeated_conversions,
        sum(order_amount) filter (where is_completed) as revenue,
        sum(referrer_points) filter (where is_counted)::bigint as referrer_points_awarded,
        sum(referee_points) filter (where is_counted)::bigint as referee_points_awarded
    from classified_conversions
    group by customer_id, referral_link_id

)

select
    customers.shop_id,
    links.customer_id,
    links.referral_link_id,
    coalesce(links.is_active, true) as is_active,
    links.created_at,
    coalesce(clicked.clicks, 0) as clicks,
    coalesce(clicked.unidentified_clicks, 0) as unidentified_clicks,
    coalesce(clicked.unique_clickers, 0) as unique_clickers,
    coalesce(clicked.converted_clicks, 0) as converted_clicks,
    coalesce(converted.conversions, 0) as conversions,
    coalesce(converted.completed_conversions, 0) as completed_conversions,
    coalesce(converted.pending_conversions, 0) as pending_conversions,
    coalesce(converted.cancelled_conversions, 0) as cancelled_conversions,
    coalesce(converted.other_conversions, 0) as other_conversions,
    coalesce(converted.self_referrals, 0) as self_referrals,
    coalesce(converted.repeated_conversions, 0) as repeated_conversions,
    case
        when coalesce(converted.completed_conversions, 0) <= 999 * clicked.unique_clickers
            then coalesce(converted.completed_conversions, 0)::numeric / clicked.unique_clickers
    end::numeric(9, 6) as conversion_rate,
    {{ money('coalesce(converted.revenue, 0)') }} as revenue,
    coalesce(converted.referrer_points_awarded, 0) as referrer_points_awarded,
    coalesce(converted.referee_points_awarded, 0) as referee_points_awarded,
    links.recorded_clicks,
    links.recorded_conversions,
    links.recorded_revenue,
    links.recorded_points_awarded
from links
inner join customers
    on links.customer_id = customers.customer_id
left join clicked
    on
        links.customer_id = clicked.customer_id
        and links.referral_link_id = clicked.referral_link_id
left join converted
    on
        links.customer_id = converted.customer_id
        and links.referral_link_id = converted.referral_link_id

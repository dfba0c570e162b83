{#- What a row may hold, by column; the macros row_is_faulty and row_faults say the rest. -#}
{%- set checked_profiles = {
    'rows': 'profiles',
    'table_name': 'customer_loyalty_profiles',
    'times': [
        'tier_achieved_at', 'tier_expires_at', 'last_purchase_at', 'last_login_at',
        'last_points_earned_at', 'created_at', 'updated_at',
    ],
    'ranges': {
        'points_balance': '>= 0',
        'lifetime_points_earned': '>= 0',
        'lifetime_spent': 'money >= 0',
    },
} -%}
{%- set checked_redemptions = {
    'rows': 'redemptions',
    'table_name': 'redemption_logs',
    'times': ['used_at', 'expires_at', 'redeemed_at', 'processed_at'],
    'ranges': {'points_spent': '> 0', 'discount_amount': 'money'},
    'enumerations': ['status'],
} -%}
{%- set checked_participations = {
    'rows': 'participations',
    'table_name': 'campaign_participations',
    'times': ['joined_at', 'completed_at'],
    'ranges': {'amount_spent': 'money'},
} -%}
-- One row per customer and fault of their profile, redemptions and campaign participations: the
-- first row that has the fault, and how many have it.
{{ config(
    materialized='incremental',
    incremental_strategy='reconcile',
    on_schema_change='append_new_columns',
    full_refresh=false,
    unique_key=['customer_id', 'relation', 'check_name', 'subject'],
    indexes=[{'columns': ['customer_id', 'relation', 'check_name', 'subject'], 'unique': true}],
    meta={'touched': 'customers'},
) }}

with

-- As the application wrote them: the staging views hide times that are looked for here.
profiles as (

    select
        id as customer_id,
        shop_id,
        points_balance,
        lifetime_points_earned,
        lifetime_spent,
        current_tier_id,
        tier_achieved_at,
        tier_expires_at,
        last_purchase_at,
        last_login_at,
        last_points_earned_at,
        created_at,
        updated_at
    from {{ source('raw', 'customer_loyalty_profiles') }}
    where
        _deleted_at is null
        and coalesce({{ clean_timestamp('created_at') }} <= {{ as_of() }}, true)
        and {{ is_touched('id') }}

),

redemptions as (

    select
        id as redemption_id,
        customer_id,
        reward_id,
        points_spent,
        status,
        discount_amount,
        used_at,
        expires_at,
        redeemed_at,
        processed_at
    from {{ source('raw', 'redemption_logs') }}
    where
        _deleted_at is null
        and coalesce({{ clean_timestamp('redeemed_at') }} <= {{ as_of() }}, true)
        and customer_id is not null
        and {{ is_touched('customer_id') }}

),

participations as (

    select
        id as participation_id,
        customer_id,
        campaign_id,
        joined_at,
        amount_spent,
        completed_at
    from {{ source('raw', 'campaign_participations') }}
    where
        _deleted_at is null
        and coalesce({{ clean_timestamp('joined_at') }} <= {{ as_of() }}, true)
        and customer_id is not null
        and {{ is_touched('customer_id') }}

),

shops as (

    select shop_id from {{ ref('stg_shops') }}

),

tiers as (

    select
        tier_id,
        shop_id
    from {{ ref('stg_tier_definitions') }}

),

rewards as (

    select
        reward_id,
        shop_id
    from {{ ref('stg_reward_definitions') }}

),

campaigns as (

    select
        campaign_id,
        shop_id
    from {{ ref('stg_campaigns') }}

),

faults as (

    select
        profiles.shop_id,
        profiles.customer_id,
        'customer_loyalty_profiles' as relation,
        profiles.customer_id as row_id,
        faults.check_name,
        faults.subject,
        faults.detail
    from profiles
    left join shops
        on profiles.shop_id = shops.shop_id
    left join tiers
        on profiles.current_tier_id = tiers.tier_id
    cross join
        lateral (
            values
            (
                'missing_shop',
                profiles.shop_id::text,
                case when shops.shop_id is null then 'there is no shop ' || profiles.shop_id end
            ),
            (
                'missing_tier',
                profiles.current_tier_id::text,
                case
                    when profiles.current_tier_id is not null and tiers.tier_id is null
                        then 'there is no tier ' || profiles.current_tier_id
                end
            ),
            (
                'tier_of_another_shop',
                profiles.current_tier_id::text,
                case
                    when tiers.shop_id <> profiles.shop_id
                        then 'tier ' || tiers.tier_id || ' is of shop ' || tiers.shop_id
                end
            ),
            {{ row_faults(checked_profiles) }}
        ) as faults (check_name, subject, detail)
    where
        (
            shops.shop_id is null
            or (profiles.current_tier_id is not null and tiers.tier_id is null)
            or tiers.shop_id <> profiles.shop_id
            or {{ row_is_faulty(checked_profiles) }}
        )
        and faults.detail is not null

    union all

    select
        coalesce(customers.shop_id, rewards.shop_id) as shop_id,
        redemptions.customer_id,
        'redemption_logs' as relation,
        redemptions.redemption_id as row_id,
        faults.check_name,
        faults.subject,
        faults.detail
    from redemptions
    left join {{ ref('int_known_customers') }} as customers
        on redemptions.customer_id = customers.customer_id
    left join rewards
        on redemptions.reward_id = rewards.reward_id
    cross join
        lateral (
            values
            (
                'missing_customer',
                redemptions.customer_id::text,
                case
                    when not coalesce(customers.is_known, false)
                        then 'there is no customer ' || redemptions.customer_id
                end
            ),
            (
                'missing_reward',
                redemptions.reward_id::text,
                case
                    when redemptions.reward_id is not null and rewards.reward_id is null
                        then 'there is no reward ' || redemptions.reward_id
                end
            ),
            (
                'reward_of_another_shop',
                redemptions.reward_id::text,
                case
                    when rewards.shop_id <> customers.shop_id
                        then 'reward ' || rewards.reward_id || ' is of shop ' || rewards.shop_id
                end
            ),
            {{ row_faults(checked_redemptions) }}
        ) as faults (check_name, subject, detail)
    where
        (
            not coalesce(customers.is_known, false)
            or (redemptions.reward_id is not null and rewards.reward_id is null)
            or rewards.shop_id <> customers.shop_id
            or {{ row_is_faulty(checked_redemptions) }}
        )
        and faults.detail is not null

    union all

    select
        coalesce(customers.shop_id, campaigns.shop_id) as shop_id,
        participations.customer_id,
        'campaign_participations' as relation,
        participations.participation_id as row_id,
        faults.check_name,
        faults.subject,
        faults.detail
    from participations
    left join {{ ref('int_known_customers') }} as customers
        on participations.customer_id = customers.customer_id
    left join campaigns
        on participations.campaign_id = campaigns.campaign_id
    cross join
        lateral (
            values
            (
                'missing_customer',
                participations.customer_id::text,
                case
                    when not coalesce(customers.is_known, false)
                        then 'there is no customer ' || participations.customer_id
                end
            ),
            (
                'missing_campaign',
                participations.campaign_id::text,
                case
                    when
                        participations.campaign_id is not null
                        and campaigns.campaign_id is null
                        then 'there is no campaign ' || participations.campaign_id
                end
            ),
            (
                'campaign_of_another_shop',
                participations.campaign_id::text,
                case
                    when campaigns.shop_id <> customers.shop_id
                        then
                            'campaign '
                            || campaigns.campaign_id
                            || ' is of shop '
                            || campaigns.shop_id
                end
            ),
            {{ row_faults(checked_participations) }}
        ) as faults (check_name, subject, detail)
    where
        (
            not coalesce(customers.is_known, false)
            or (participations.campaign_id is not null and campaigns.campaign_id is null)
            or campaigns.shop_id <> customers.shop_id
            or {{ row_is_faulty(checked_participations) }}
        )
        and faults.detail is not null

),

numbered_faults as (

    select
        *,
        row_number() over (
            partition by customer_id, relation, check_name, subject
            order by row_id
        ) as fault_no,
        count(*) over (partition by customer_id, relation, check_name, subject) as row_count
    from faults

)

select
    shop_id,
    customer_id,
    relation,
    check_name,
    subject,
    row_id,
    row_count,
    detail
from numbered_faults
where fault_no = 1

-- One row per customer with a row that changed, or that time has passed over, since the last run;
-- or whose shop, tier, campaign or reward changed in what formulas read.
{{ config(materialized='table', unlogged=true) }}

with

definitions as (

    select * from {{ ref('int_changed_definitions') }}

),

images as (

    select
        table_name,
        image
    from {{ source('ops', 'before_images') }}
    where sync_id > {{ this_run().sync_id }}

),

links as (

    select
        id,
        customer_id,
        created_at,
        _sync_id
    from {{ source('raw', 'referral_links') }}

),

changed as (

    select customer_id
    from {{ source('raw', 'point_transactions') }}
    where
        _sync_id > {{ this_run().sync_id }}
        or {{ is_passed('created_at') }}
        or campaign_id in (
            select definitions.definition_id from definitions
            where definitions.table_name = 'campaigns'
        )

    union all

    select id as customer_id
    from {{ source('raw', 'customer_loyalty_profiles') }}
    where
        _sync_id > {{ this_run().sync_id }}
        or {{ is_passed('created_at') }}
        or shop_id in (
            select definitions.shop_id from definitions
            where definitions.table_name in ('shops', 'tier_definitions')
        )
        or current_tier_id in (
            select definitions.definition_id from definitions
            where definitions.table_name = 'tier_definitions'
        )

    union all

    select customer_id
    from {{ source('raw', 'customer_tier_history') }}
    where
        _sync_id > {{ this_run().sync_id }}
        or {{ is_passed('achieved_at') }}
        or {{ is_passed('ended_at') }}
        or tier_id in (
            select definitions.definition_id from definitions
            where definitions.table_name = 'tier_definitions'
        )

    union all

    select customer_id
    from {{ source('raw', 'redemption_logs') }}
    where
        _sync_id > {{ this_run().sync_id }}
        or {{ is_passed('redeemed_at') }}
        or {{ is_passed('used_at') }}
        or reward_id in (
            select definitions.definition_id from definitions
            where definitions.table_name = 'reward_definitions'
        )

    union all

    select customer_id
    from {{ source('raw', 'campaign_participations') }}
    where
        _sync_id > {{ this_run().sync_id }}
        or {{ is_passed('joined_at') }}
        or {{ is_passed('completed_at') }}
        or campaign_id in (
            select definitions.definition_id from definitions
            where definitions.table_name = 'campaigns'
        )

    union all

    select person.customer_id
    from {{ source('raw', 'referral_conversions') }} as conversions
    left join links
        on conversions.referral_link_id = links.id
    cross join
        lateral (
            values (conversions.referred_customer_id), (links.customer_id)
        ) as person (customer_id)
    where
        conversions._sync_id > {{ this_run().sync_id }}
        or {{ is_passed('conversions.converted_at') }}

    union all

    select links.customer_id
    from {{ source('raw', 'referral_clicks') }} as clicks
    inner join links
        on clicks.referral_link_id = links.id
    where
        clicks._sync_id > {{ this_run().sync_id }}
        or {{ is_passed('clicks.clicked_at') }}
        or {{ is_passed('clicks.converted_at') }}

    union all

    select links.customer_id
    from links
    where
        links._sync_id > {{ this_run().sync_id }}
        or {{ is_passed('links.created_at') }}

    union all

    -- Whether a referral counts depends on the one referred, too.
    select links.customer_id
    from {{ source('raw', 'referral_conversions') }} as conversions
    inner join {{ source('raw', 'customer_loyalty_profiles') }} as referred
        on conversions.referred_customer_id = referred.id
    inner join links
        on conversions.referral_link_id = links.id
    where
        referred._sync_id > {{ this_run().sync_id }}
        or {{ is_passed('referred.created_at') }}

    union all

    -- Whose the row was before; that a link was somebody else's touches that person, too.
    select
        case images.table_name
            when 'customer_loyalty_profiles' then (images.image ->> 'id')::bigint
            when 'referral_conversions' then (images.image ->> 'referred_customer_id')::bigint
            else (images.image ->> 'customer_id')::bigint
        end as customer_id
    from images
    where
        images.table_name in (
            'customer_loyalty_profiles',
            'point_transactions',
            'customer_tier_history',
            'redemption_logs',
            'campaign_participations',
            'referral_links',
            'referral_conversions'
        )

    union all

    select links.customer_id
    from images
    inner join links
        on (images.image ->> 'referral_link_id')::bigint = links.id
    where images.table_name in ('referral_clicks', 'referral_conversions')

)

select distinct customer_id
from changed
where
    customer_id is not null
    and not {{ this_run().is_full }}

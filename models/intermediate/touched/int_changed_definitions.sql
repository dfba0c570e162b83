-- One row per shop, tier, campaign or reward that changed in what formulas read, and per shop that
-- it belongs to or did. What activation writes into a campaign is not among it.
{{ config(materialized='table', unlogged=true) }}

with

definitions as (

    select
        'shops' as table_name,
        shops.id as definition_id,
        shops.id as shop_id,
        shops._sync_id,
        shops._deleted_at,
        to_jsonb(shops) as definition
    from {{ source('raw', 'shops') }} as shops

    union all

    select
        'tier_definitions' as table_name,
        tiers.id as definition_id,
        tiers.shop_id,
        tiers._sync_id,
        tiers._deleted_at,
        to_jsonb(tiers) as definition
    from {{ source('raw', 'tier_definitions') }} as tiers

    union all

    select
        'campaigns' as table_name,
        campaigns.id as definition_id,
        campaigns.shop_id,
        campaigns._sync_id,
        campaigns._deleted_at,
        to_jsonb(campaigns) as definition
    from {{ source('raw', 'campaigns') }} as campaigns

    union all

    select
        'reward_definitions' as table_name,
        rewards.id as definition_id,
        rewards.shop_id,
        rewards._sync_id,
        rewards._deleted_at,
        to_jsonb(rewards) as definition
    from {{ source('raw', 'reward_definitions') }} as rewards

),

images as (

    select
        table_name,
        image,
        (image ->> 'id')::bigint as definition_id,
        (image ->> case table_name when 'shops' then 'id' else 'shop_id' end)::bigint as shop_id
    from {{ source('ops', 'before_images') }}
    where
        sync_id > {{ this_run().sync_id }}
        and table_name in ('shops', 'tier_definitions', 'campaigns', 'reward_definitions')

)

select distinct
    definitions.table_name,
    definitions.definition_id,
    belongs.shop_id
from definitions
left join images
    on
        definitions.table_name = images.table_name
        and definitions.definition_id = images.definition_id
cross join lateral (values (definitions.shop_id), (images.shop_id)) as belongs (shop_id)
where
    not {{ this_run().is_full }}
    and definitions._sync_id > {{ this_run().sync_id }}
    and belongs.shop_id is not null
    and (
        images.image is null
        or images.image ? '_deleted'
        or definitions._deleted_at is not null
        or exists (
            select was.key
            from jsonb_each(images.image) as was
            where was.value is distinct from coalesce(definitions.definition -> was.key, 'null')
        )
    )

-- One row per rung of a shop's ladder: each of its tiers, lowest first, and below them rung 0, to
-- hold none. What a rung asks for, in which window, and what the next one asks for.
{{ config(materialized='table', unlogged=true) }}

with

shops as (

    select shop_id from {{ ref('int_shops') }}

),

tiers as (

    select
        *,
        -- A tier that is not active, or without a level, can be held but not reached.
        is_active and tier_level is not null as is_reachable,
        case
            when qualification_period_days > 0 then least(qualification_period_days, 36500)
        end as window_days,
        -- What a tier's type does not look at, it does not ask for.
        case
            when tier_type in ('points_based', 'hybrid') then greatest(min_points_required, 0)
            else 0
        end as required_points,
        case
            when tier_type in ('spend_based', 'hybrid') then greatest(min_spend_required, 0)
            else 0
        end as required_spend,
        case
            when tier_type in ('spend_based', 'hybrid') then greatest(min_orders_required, 0)
            else 0
        end as required_orders
    from {{ ref('int_tiers') }}

),

windows as (

    select
        shop_id,
        window_no,
        window_days
    from {{ ref('int_tier_windows') }}

),

ladder as (

    select
        tiers.shop_id,
        -- Levels are unique where the application keeps its rules; else the older one is above.
        row_number() over (
            partition by tiers.shop_id
            order by tiers.tier_level asc nulls first, tiers.tier_id desc
        ) as rung,
        tiers.tier_id,
        tiers.tier_level,
        tiers.is_reachable,
        tiers.requires_maintenance,
        windows.window_no,
        tiers.required_points,
        tiers.required_spend,
        tiers.required_orders
    from tiers
    inner join windows
        on
            tiers.shop_id = windows.shop_id
            and tiers.window_days is not distinct from windows.window_days

    union all

    select
        shop_id,
        0 as rung,
        null as tier_id,
        null as tier_level,
        false as is_reachable,
        false as requires_maintenance,
        null as window_no,
        0 as required_points,
        0 as required_spend,
        0 as required_orders
    from shops

)

select
    ladder.shop_id,
    ladder.rung,
    ladder.tier_id,
    ladder.tier_level,
    ladder.is_reachable,
    ladder.requires_maintenance,
    ladder.window_no,
    ladder.required_points,
    ladder.required_spend,
    ladder.required_orders,
    above.tier_id as next_tier_id,
    above.required_points as next_required_points,
    above.required_spend as next_required_spend,
    above.required_orders as next_required_orders,
    coalesce(above.window_no, ladder.window_no) as standing_window_no
from ladder
left join lateral (
    select higher.*
    from ladder as higher
    where
        ladder.shop_id = higher.shop_id
        and higher.is_reachable
        -- From a rung without a level, the lowest tier is the next one.
        and coalesce(ladder.tier_level < higher.tier_level, ladder.tier_level is null)
    order by higher.tier_level, higher.tier_id
    limit 1
) as above on true

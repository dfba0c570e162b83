-- One row per shop and local day: how many customers held each tier at the day's end, as
-- {tier_id: customers}. A span counts +1 where it begins and -1 where it ends, and running sums
-- carry the count on: the work grows with spans plus days, not with their product.
{{ config(materialized='table', unlogged=true) }}

with

spans as (

    select
        progressions.shop_id,
        progressions.tier_id,
        {{ local_date('progressions.valid_from', 'shops.timezone') }} as begins_on,
        {{ local_date('progressions.valid_to', 'shops.timezone') }} as ends_on
    from {{ ref('fct_tier_progressions') }} as progressions
    inner join {{ ref('int_shops') }} as shops
        on progressions.shop_id = shops.shop_id
    where
        progressions.tier_id is not null
        -- A span may be empty: the next tier came at the same instant, or its end before its start.
        and coalesce(progressions.valid_from < progressions.valid_to, true)
        and {{ is_touched_shop('progressions.shop_id') }}

),

shop_tiers as (

    select distinct
        shop_id,
        tier_id
    from {{ ref('fct_tier_progressions') }}
    where
        tier_id is not null
        and {{ is_touched_shop('shop_id') }}

),

changes as (

    select
        spans.shop_id,
        spans.tier_id,
        case change.customers when 1 then spans.begins_on else spans.ends_on end as day_on,
        change.customers
    from spans
    cross join (values (1), (-1)) as change (customers)
    -- A span without a beginning began before every day; one without an end has not ended.
    where change.customers = 1 or spans.ends_on is not null

    union all

    select
        shop_days.shop_id,
        shop_tiers.tier_id,
        shop_days.day_on,
        0 as customers
    from {{ ref('int_shop_days') }} as shop_days
    inner join shop_tiers
        on shop_days.shop_id = shop_tiers.shop_id
    where shop_days.day_on is not null

),

holders as (

    select
        shop_id,
        tier_id,
        day_on,
        sum(sum(customers)) over (
            partition by shop_id, tier_id
            order by day_on nulls first
        )::bigint as customers
    from changes
    group by shop_id, tier_id, day_on

)

select
    shop_id,
    day_on,
    -- jsonb keeps its keys in one fixed order.
    jsonb_object_agg(tier_id::text, customers) filter (where customers > 0) as tier_distributions
from holders
where day_on is not null
group by shop_id, day_on

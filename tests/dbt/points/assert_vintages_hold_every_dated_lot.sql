{{ config(meta={'dagster': {'ref': {'name': 'fct_point_vintages'}}}) }}
-- Shops whose vintages, as of now, are not together what became of their lots with a time.
with

vintages as (

    select
        shop_id,
        earn_month,
        max(issued) as issued,
        max(redeemed) as redeemed,
        max(expired) as expired,
        max(reversed) as reversed,
        min(remaining) as remaining
    from {{ ref('fct_point_vintages') }}
    where {{ is_touched_shop('shop_id') }}
    group by shop_id, earn_month

),

shops as (

    select
        shop_id,
        array[sum(issued), sum(redeemed), sum(expired), sum(reversed), sum(remaining)] as parts
    from vintages
    group by shop_id

),

lots as (

    select
        shop_id,
        array[
            sum(points_issued),
            sum(points_redeemed),
            sum(points_expired),
            sum(points_reversed),
            sum(points_remaining)
        ] as parts
    from {{ ref('fct_point_lots') }}
    where
        earned_at is not null
        -- A shop that the application has lost has no zone, hence no months.
        and shop_id in (select known.shop_id from {{ ref('int_shops') }} as known)
        and {{ is_touched_shop('shop_id') }}
    group by shop_id

)

select
    coalesce(shops.shop_id, lots.shop_id) as shop_id,
    shops.parts as parts_of_vintages,
    lots.parts as parts_of_lots
from shops
full outer join lots on lots.shop_id = shops.shop_id
where shops.parts is distinct from lots.parts

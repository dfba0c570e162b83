-- One row per shop: the share of its outstanding points that will never be redeemed.
{{ config(materialized='table', unlogged=true) }}

with

shops as (

    select shop_id from {{ ref('int_shops') }}

),

outstanding as (

    select
        shop_id,
        breakage_basis,
        sum(remaining) as points,
        sum(redeemed_ultimately - redeemed) as points_to_be_redeemed
    from {{ ref('int_vintage_ultimates') }}
    where remaining > 0
    group by shop_id, breakage_basis

),

of_all_shops as (

    select sum(points_to_be_redeemed) / sum(points) as redemption_rate
    from outstanding

)

select
    shops.shop_id,
    case
        when outstanding.points_to_be_redeemed is null then 'all_shops'
        else outstanding.breakage_basis
    end as breakage_basis,
    coalesce(outstanding.points, 0)::bigint as points_outstanding,
    round(
        1 - coalesce(
            outstanding.points_to_be_redeemed / outstanding.points, of_all_shops.redemption_rate
        ),
        12
    )::numeric(9, 6) as expected_breakage
from shops
left join outstanding on outstanding.shop_id = shops.shop_id
cross join of_all_shops

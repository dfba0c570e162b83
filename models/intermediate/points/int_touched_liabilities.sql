-- One row per shop whose days in fct_points_daily this run computes again: the touched ones and,
-- where there are any, those whose breakage the vintages of all shops tell.
{{ config(materialized='table', unlogged=true) }}

with

touched as (

    select shop_id from {{ ref('int_touched_shops') }}

)

select shop_id
from touched

union

select breakage.shop_id
from {{ ref('int_breakage') }} as breakage
where
    breakage.breakage_basis = 'all_shops'
    and exists (select touched.shop_id from touched)

-- One row per shop, local month in which points were issued (a vintage), and month since then, up
-- to as_of's: what had become of the vintage's points by the end of that month.
{{ config(
    unique_key=['shop_id', 'earn_month', 'months_since'],
    indexes=[{'columns': ['shop_id', 'earn_month', 'months_since'], 'unique': true}],
) }}

with

vintages as (

    select * from {{ ref('int_point_vintages') }}

),

ultimates as (

    select * from {{ ref('int_vintage_ultimates') }}

)

select
    vintages.shop_id,
    vintages.earn_month,
    vintages.months_since,
    vintages.is_complete,
    vintages.issued,
    vintages.redeemed,
    vintages.expired,
    vintages.reversed,
    vintages.remaining,
    (vintages.expired::numeric / vintages.issued)::numeric(9, 6) as expiry_rate,
    (vintages.redeemed::numeric / vintages.issued)::numeric(9, 6) as redemption_rate,
    ultimates.expected_breakage,
    ultimates.breakage_basis
from vintages
inner join ultimates
    on
        ultimates.shop_id = vintages.shop_id
        and ultimates.earn_month = vintages.earn_month

{{ config(meta={'dagster': {'ref': {'name': 'fct_points_daily'}}}) }}
-- Days on which management owes more than all points are worth, or something of the other sign; and
-- shops whose breakage is known on some days only.
with

days as (

    select
        shop_id,
        date,
        points_liability,
        management_liability,
        count(management_liability) over shops as days_with_management_liability,
        count(points_liability) over shops as days_with_points_liability
    from {{ ref('fct_points_daily') }}
    window shops as (partition by shop_id)

)

select *
from days
where
    abs(management_liability) > abs(points_liability)
    or management_liability * points_liability < 0
    or (
        days_with_management_liability > 0
        and days_with_management_liability < days_with_points_liability
    )

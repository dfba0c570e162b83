{{ config(meta={'dagster': {'ref': {'name': 'fct_point_vintages'}}}) }}
-- Vintages with a month missing, or that do not reach the month of as_of; whose parts do not add up
-- to what was issued; whose points come back; or whose breakage cannot be (beyond what remains).
with

vintages as (

    select
        vintages.*,
        {{ period_start(local_date(as_of(), 'shops.timezone'), "'monthly'") }} as last_month,
        lag(vintages.months_since, 1, -1) over development as months_since_before,
        lag(vintages.issued, 1, vintages.issued) over development as issued_before,
        lag(vintages.redeemed, 1, 0::bigint) over development as redeemed_before,
        lag(vintages.expired, 1, 0::bigint) over development as expired_before,
        lag(vintages.reversed, 1, 0::bigint) over development as reversed_before,
        lag(vintages.expected_breakage) over development as expected_breakage_before,
        lead(vintages.months_since) over development is null as is_last
    from {{ ref('fct_point_vintages') }} as vintages
    inner join {{ ref('int_shops') }} as shops on shops.shop_id = vintages.shop_id
    window development as (
        partition by vintages.shop_id, vintages.earn_month
        order by vintages.months_since
    )

)

select *
from vintages
where
    months_since != months_since_before + 1
    or is_last != (earn_month + make_interval(months => months_since) = last_month)
    or is_complete = is_last
    or issued != issued_before
    or redeemed < redeemed_before
    or expired < expired_before
    or reversed < reversed_before
    or remaining < 0
    or issued != redeemed + expired + reversed + remaining
    or (months_since > 0 and expected_breakage is distinct from expected_breakage_before)
    or (
        is_last
        and (
            expected_breakage > round(1 - redeemed::numeric / issued, 6)
            or expected_breakage < round(1 - (redeemed + remaining)::numeric / issued, 6)
            or (expected_breakage is null and remaining = 0)
        )
    )

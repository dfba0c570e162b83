-- One row per shop and vintage (local month in which points were issued): how many of its points
-- will have been redeemed in the end, by the chain ladder. The yml has the method and an example.
{{ config(materialized='table', unlogged=true) }}

with

triangle as (

    select
        *,
        lead(redeemed) over vintage as redeemed_next,
        lead(is_complete) over vintage as is_next_complete
    from {{ ref('int_point_vintages') }}
    window vintage as (
        partition by shop_id, earn_month
        order by months_since
    )

),

-- A vintage as of now, and at the end of the last month that is over: what the ladder starts from.
-- What was redeemed never falls and what remains never rises.
vintages as (

    select
        shop_id,
        earn_month,
        max(issued) as issued,
        max(redeemed) as redeemed,
        min(remaining) as remaining,
        max(months_since) filter (where is_complete) as months_complete,
        coalesce(max(redeemed) filter (where is_complete), 0) as redeemed_complete
    from triangle
    group by shop_id, earn_month

),

-- A ladder of few vintages, or of none that anything was redeemed of, says nothing of its own.
shops as (

    select
        shop_id,
        case
            when count(*) >= 6 and sum(redeemed_complete) > 0 then 'shop'
            else 'all_shops'
        end as breakage_basis
    from vintages
    group by shop_id

),

shop_links as (

    select
        shop_id,
        months_since,
        sum(redeemed) as redeemed,
        sum(redeemed_next) as redeemed_next
    from triangle
    where is_next_complete
    group by shop_id, months_since

),

-- The ladders: one per shop, and one of all shops, whose ladder_id is 0.
links as (

    select
        'shop' as breakage_basis,
        shop_id as ladder_id,
        months_since,
        redeemed,
        redeemed_next
    from shop_links

    union all

    select
        'all_shops' as breakage_basis,
        0 as ladder_id,
        months_since,
        sum(redeemed) as redeemed,
        sum(redeemed_next) as redeemed_next
    from shop_links
    group by months_since

),

-- The share of the ultimate that is redeemed by the end of a month: one over the product of all
-- later link ratios. None is while nothing was ever redeemed so early.
ladders as (

    select
        breakage_basis,
        ladder_id,
        months_since,
        case
            when
                sum(redeemed) over (
                    partition by breakage_basis, ladder_id
                    order by months_since
                    rows between unbounded preceding and current row
                ) = 0
                then 0
            else exp(
                -sum(case when redeemed > 0 then ln(redeemed_next / redeemed) else 0 end) over (
                    partition by breakage_basis, ladder_id
                    order by months_since
                    rows between current row and unbounded following
                )
            )
        end as developed
    from links

),

-- Every vintage climbs its shop's ladder and that of all shops. The oldest vintage's last month is
-- the top: there is no tail.
choices as (

    select
        vintages.*,
        basis.breakage_basis,
        case basis.breakage_basis when 'shop' then vintages.shop_id else 0 end as ladder_id
    from vintages
    cross join (values ('shop'), ('all_shops')) as basis (breakage_basis)

),

climbs as (

    select
        choices.*,
        case
            when choices.months_complete is null then 0
            else coalesce(ladders.developed, 1)
        end as developed
    from choices
    left join ladders
        on
            ladders.breakage_basis = choices.breakage_basis
            and ladders.ladder_id = choices.ladder_id
            and ladders.months_since = choices.months_complete

),

-- What vintages redeem on the whole: redeemed over the points whose redemption is due by now.
expectations as (

    select
        *,
        case
            when sum(redeemed_complete) over ladder > 0
                then least(
                    sum(redeemed_complete) over ladder / sum(issued * developed) over ladder, 1
                )
        end as expected_rate
    from climbs
    window ladder as (partition by breakage_basis, ladder_id)

),

projections as (

    select
        expectations.*,
        case
            when expectations.redeemed_complete > 0 and expectations.developed > 0
                then expectations.redeemed_complete / expectations.developed
            else
                expectations.redeemed_complete
                + expectations.issued * expectations.expected_rate * (1 - expectations.developed)
        end as projected
    from expectations
    inner join shops
        on
            shops.shop_id = expectations.shop_id
            and shops.breakage_basis = expectations.breakage_basis

),

-- Nobody redeems what is redeemed, expired or reversed already, and no redemption is undone.
ultimates as (

    select
        shop_id,
        earn_month,
        breakage_basis,
        issued,
        redeemed,
        remaining,
        developed,
        case
            when remaining = 0 then redeemed
            when projected is not null
                then least(greatest(projected, redeemed), redeemed + remaining)
        end as redeemed_ultimately
    from projections

)

-- Rounded twice: logarithms may leave a value that lies between two rates a hair beside it.
select
    shop_id,
    earn_month,
    breakage_basis,
    issued,
    redeemed,
    remaining,
    developed::numeric(9, 6) as developed,
    redeemed_ultimately,
    round(1 - redeemed_ultimately / issued, 12)::numeric(9, 6) as expected_breakage
from ultimates

{{ config(meta={'dagster': {'ref': {'name': 'fct_point_lot_allocations'}}}) }}
-- Customers whose allocations are not all that their debits could take from their credits, whose
-- lots do not hold the rest, or whose lots say otherwise what was taken.
with

ledger as (

    select
        customer_id,
        sum(greatest(points_amount, 0)) as credited,
        sum(greatest(-points_amount, 0)) as debited
    from {{ ref('fct_point_ledger') }}
    where {{ is_touched('customer_id') }}
    group by customer_id

),

lots as (

    select
        customer_id,
        sum(points_redeemed) as redeemed,
        sum(points_expired) as expired,
        sum(points_reversed) as reversed,
        sum(points_remaining) as remaining
    from {{ ref('fct_point_lots') }}
    where {{ is_touched('customer_id') }}
    group by customer_id

),

allocations as (

    select
        customer_id,
        sum(points) as allocated,
        coalesce(sum(points) filter (where taken_by = 'redeemed'), 0) as redeemed,
        coalesce(sum(points) filter (where taken_by = 'expired'), 0) as expired,
        coalesce(sum(points) filter (where taken_by = 'reversed'), 0) as reversed
    from {{ ref('fct_point_lot_allocations') }}
    where {{ is_touched('customer_id') }}
    group by customer_id

)

select ledger.*
from ledger
left join lots on lots.customer_id = ledger.customer_id
left join allocations on allocations.customer_id = ledger.customer_id
where
    coalesce(allocations.allocated, 0) <> least(ledger.credited, ledger.debited)
    or coalesce(lots.remaining, 0) <> greatest(ledger.credited - ledger.debited, 0)
    or coalesce(lots.redeemed, 0) <> coalesce(allocations.redeemed, 0)
    or coalesce(lots.expired, 0) <> coalesce(allocations.expired, 0)
    or coalesce(lots.reversed, 0) <> coalesce(allocations.reversed, 0)

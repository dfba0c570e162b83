-- One row per credit: the lot of points that it opened and what became of them.
{{ config(
    unique_key=['customer_id', 'lot_id'],
    indexes=[
        {'columns': ['customer_id', 'lot_id'], 'unique': true},
        {'columns': ['shop_id', 'expires_at']},
    ],
    meta={'touched': 'customers'},
) }}

with

credits as (

    select * from {{ ref('fct_point_ledger') }}
    where
        points_amount > 0
        and {{ is_touched('customer_id') }}

),

pieces as (

    select * from {{ ref('int_point_pieces') }}

),

-- The taken points of lots that anything was taken from.
taken as (

    select
        customer_id,
        lot_id,
        sum(points)::bigint as points_taken,
        coalesce(sum(points) filter (where taken_by = 'redeemed'), 0)::bigint as points_redeemed,
        coalesce(sum(points) filter (where taken_by = 'expired'), 0)::bigint as points_expired,
        coalesce(sum(points) filter (where taken_by = 'reversed'), 0)::bigint as points_reversed
    from pieces
    where lot_id is not null and transaction_id is not null
    group by customer_id, lot_id

),

lots as (

    select
        credits.shop_id,
        credits.customer_id,
        credits.transaction_id as lot_id,
        credits.occurred_at as earned_at,
        credits.expires_at,
        credits.expired_at,
        credits.points_amount as points_issued,
        coalesce(taken.points_redeemed, 0) as points_redeemed,
        coalesce(taken.points_expired, 0) as points_expired,
        coalesce(taken.points_reversed, 0) as points_reversed,
        credits.points_amount - coalesce(taken.points_taken, 0) as points_remaining
    from credits
    left join taken
        on
            taken.customer_id = credits.customer_id
            and taken.lot_id = credits.transaction_id

)

select
    shop_id,
    customer_id,
    lot_id,
    earned_at,
    expires_at,
    points_issued,
    points_redeemed,
    points_expired,
    points_reversed,
    points_remaining,
    case
        when points_remaining = 0 then 'closed'
        when expires_at <= {{ as_of() }} and expired_at is null then 'expired_unposted'
        else 'open'
    end as lot_status
from lots

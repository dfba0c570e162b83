-- One row per lot and debit that took points from it.
{{ config(
    unique_key=['customer_id', 'lot_id', 'transaction_id'],
    indexes=[{'columns': ['customer_id', 'lot_id', 'transaction_id'], 'unique': true}],
    meta={'touched': 'customers'},
) }}

with

pieces as (

    select * from {{ ref('int_point_pieces') }}
    where lot_id is not null and transaction_id is not null

),

entries as (

    select * from {{ ref('fct_point_ledger') }}
    where {{ is_touched('customer_id') }}

),

lots as (

    select * from {{ ref('fct_point_lots') }}
    where {{ is_touched('customer_id') }}

)

select
    pieces.shop_id,
    pieces.customer_id,
    pieces.lot_id,
    pieces.transaction_id,
    entries.occurred_at as allocated_at,
    pieces.taken_by,
    pieces.points,
    lots.earned_at
from pieces
-- Outer joins, though every piece has its lot and its entries: of inner ones over two columns the
-- planner expects next to nothing, and then repeats what follows for every row.
left join entries
    on
        entries.customer_id = pieces.customer_id
        and entries.transaction_id = pieces.later_transaction_id
left join lots
    on
        lots.customer_id = pieces.customer_id
        and lots.lot_id = pieces.lot_id

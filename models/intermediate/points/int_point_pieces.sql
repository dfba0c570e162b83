-- One row per piece of a customer's points that one lot and one debit share: no debit where the
-- piece is unspent, no lot where it is overdrawn.
--
-- First-in first-out without a join: credits and debits, each at the running total of its own side,
-- cut the line of a customer's points into pieces. Walking down from the highest total, a piece
-- belongs to the credit and to the debit seen last, which are the nearest ones at or above it.
{{ config(materialized='table', unlogged=true) }}

with

entries as (

    select * from {{ ref('fct_point_ledger') }}
    where {{ is_touched('customer_id') }}

),

-- Later entries of a side have higher totals, so the entry seen last is the one with the least key:
-- entry number, transaction id (38 bits) and kind (2 bits) packed into one integer.
cuts as (

    select
        shop_id,
        customer_id,
        points_amount > 0 as is_credit,
        case when points_amount > 0 then credited_through else debited_through end as total,
        entry_no * (1::bigint << 40) + (transaction_id << 2) + case transaction_type
            when 'redeemed' then 1
            when 'expired' then 2
            else 3
        end as entry_key
    from entries
    where points_amount <> 0

),

pieces as (

    select
        shop_id,
        customer_id,
        min(entry_key) filter (where is_credit) over downwards as lot_key,
        min(entry_key) filter (where not is_credit) over downwards as debit_key,
        total - lead(total, 1, 0::bigint) over downwards as points
    from cuts
    window downwards as (
        partition by customer_id
        order by total desc, is_credit asc
        rows between unbounded preceding and current row
    )

)

select
    shop_id,
    customer_id,
    (lot_key >> 2) & ((1::bigint << 38) - 1) as lot_id,
    (debit_key >> 2) & ((1::bigint << 38) - 1) as transaction_id,
    case debit_key & 3
        when 1 then 'redeemed'
        when 2 then 'expired'
        when 3 then 'reversed'
    end as taken_by,
    -- The allocation happens at the later of its two entries.
    (greatest(lot_key, debit_key) >> 2) & ((1::bigint << 38) - 1) as later_transaction_id,
    points
from pieces
where points > 0

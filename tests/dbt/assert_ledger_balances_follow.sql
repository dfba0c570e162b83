{{ config(meta={'dagster': {'ref': {'name': 'fct_point_ledger'}}}) }}
-- Entries of a customer whose balance is not the one before it plus their own points.
with

entries as (

    select
        customer_id,
        transaction_id,
        points_amount,
        balance_after,
        entry_no - lag(entry_no, 1, 0::bigint) over ledger as step,
        lag(balance_after, 1, 0::bigint) over ledger as balance_before
    from {{ ref('fct_point_ledger') }}
    where {{ is_touched('customer_id') }}
    window ledger as (
        partition by customer_id
        order by entry_no
    )

)

select *
from entries
where balance_after <> balance_before + points_amount or step <> 1

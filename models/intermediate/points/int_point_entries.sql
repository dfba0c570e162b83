-- One row per point transaction of a known customer, in ledger order. Credits and debits each carry
-- the running total of their own side, which is all that first-in first-out needs.
{{ config(materialized='table', unlogged=true) }}

with

transactions as (

    select * from {{ ref('stg_point_transactions') }}

),

customers as (

    select * from {{ ref('stg_customer_loyalty_profiles') }}

),

entries as (

    select
        customers.shop_id,
        transactions.customer_id,
        transactions.transaction_id,
        transactions.created_at as occurred_at,
        transactions.transaction_type,
        transactions.source,
        transactions.points_amount,
        transactions.points_balance_after as recorded_balance_after,
        transactions.order_id,
        transactions.campaign_id,
        transactions.redemption_id,
        transactions.expires_at,
        transactions.expired_at
    from transactions
    inner join customers on customers.customer_id = transactions.customer_id

)

select
    shop_id,
    customer_id,
    transaction_id,
    row_number() over ledger as entry_no,
    occurred_at,
    transaction_type,
    source,
    points_amount,
    (sum(points_amount) over ledger)::bigint as balance_after,
    (sum(greatest(points_amount, 0)) over ledger)::bigint as credited_through,
    (sum(greatest(-points_amount, 0)) over ledger)::bigint as debited_through,
    recorded_balance_after,
    order_id,
    campaign_id,
    redemption_id,
    expires_at,
    expired_at
from entries
window ledger as (
    partition by customer_id
    order by occurred_at asc nulls first, transaction_id asc
    rows between unbounded preceding and current row
)

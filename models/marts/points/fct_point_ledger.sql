-- One row per point transaction of a known customer, in ledger order. Credits and debits each carry
-- the running total of their own side, which is all that first-in first-out needs.
{{ config(
    unique_key=['customer_id', 'transaction_id'],
    indexes=[
        {'columns': ['customer_id', 'transaction_id'], 'unique': true},
        {'columns': ['shop_id', 'occurred_at']},
    ],
    meta={'touched': 'customers'},
) }}

with

transactions as (

    select
        transaction_id,
        customer_id,
        transaction_type,
        source,
        points_amount,
        points_balance_after as recorded_balance_after,
        order_id,
        campaign_id,
        redemption_id,
        created_at as occurred_at,
        expires_at,
        expired_at
    from {{ ref('stg_point_transactions') }}
    where {{ is_touched('customer_id') }}

),

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}

),

entries as (

    select
        customers.shop_id,
        transactions.*,
        row_number() over ledger as entry_no,
        (sum(transactions.points_amount) over ledger)::bigint as balance_after,
        (sum(greatest(transactions.points_amount, 0)) over ledger)::bigint as credited_through,
        (sum(greatest(-transactions.points_amount, 0)) over ledger)::bigint as debited_through
    from transactions
    inner join customers
        on transactions.customer_id = customers.customer_id
    window ledger as (
        partition by transactions.customer_id
        order by transactions.occurred_at asc nulls first, transactions.transaction_id asc
        rows between unbounded preceding and current row
    )

)

select
    shop_id,
    customer_id,
    transaction_id,
    entry_no,
    occurred_at,
    transaction_type,
    source,
    points_amount,
    balance_after,
    recorded_balance_after,
    recorded_balance_after - balance_after as balance_drift,
    order_id,
    campaign_id,
    redemption_id,
    expires_at,
    expired_at,
    credited_through,
    debited_through
from entries

-- One row per point transaction.
{{ config(
    unique_key=['customer_id', 'transaction_id'],
    indexes=[
        {'columns': ['customer_id', 'transaction_id'], 'unique': true},
        {'columns': ['shop_id', 'occurred_at']},
    ],
) }}

with

entries as (

    select * from {{ ref('int_point_entries') }}

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
    redemption_id
from entries

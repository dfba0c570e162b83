-- One row per customer with entries in the ledger: the size of the largest, credit or debit.
{{ config(
    materialized='incremental',
    incremental_strategy='reconcile',
    on_schema_change='append_new_columns',
    full_refresh=false,
    unique_key=['customer_id'],
    indexes=[{'columns': ['customer_id'], 'unique': true}],
    meta={'touched': 'customers'},
) }}

with

entries as (

    select
        shop_id,
        customer_id,
        points_amount
    from {{ ref('fct_point_ledger') }}
    where {{ is_touched('customer_id') }}

)

select
    shop_id,
    customer_id,
    max(abs(points_amount)) as points
from entries
group by shop_id, customer_id

-- One row per entry of the ledger by which points of a customer expired.
with

ledger as (

    select * from {{ ref('fct_point_ledger') }}

),

final as (

    select
        shop_id,
        customer_id,
        occurred_at,
        -points_amount as points,
        source
    from ledger
    where transaction_type = 'expired'

)

select * from final

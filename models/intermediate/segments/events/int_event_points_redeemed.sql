-- One row per entry of the ledger that spent a customer's points on a reward.
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
    where transaction_type = 'redeemed'

)

select * from final

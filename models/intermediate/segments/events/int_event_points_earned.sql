-- One row per entry of the ledger that gave a customer points: earned or bonus.
with

ledger as (

    select * from {{ ref('fct_point_ledger') }}

),

final as (

    select
        shop_id,
        customer_id,
        occurred_at,
        points_amount as points,
        source,
        transaction_type,
        campaign_id
    from ledger
    where transaction_type in ('earned', 'bonus')

)

select * from final

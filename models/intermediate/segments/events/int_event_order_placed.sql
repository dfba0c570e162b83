-- One row per order of a customer.
with

orders as (

    select * from {{ ref('fct_orders') }}

),

final as (

    select
        shop_id,
        customer_id,
        ordered_at as occurred_at,
        amount,
        is_loyalty_order
    from orders
    where customer_id is not null

)

select * from final

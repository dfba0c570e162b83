-- One row per campaign that a customer joined.
with

participations as (

    select * from {{ ref('stg_campaign_participations') }}

),

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}

),

final as (

    select
        customers.shop_id,
        participations.customer_id,
        participations.joined_at as occurred_at,
        participations.campaign_id,
        participations.points_earned as points,
        participations.amount_spent as amount,
        participations.orders_made as orders
    from participations
    inner join customers
        on participations.customer_id = customers.customer_id

)

select * from final

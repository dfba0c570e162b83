-- One row per click on a referral link of a customer. Who clicked is not told.
with

clicks as (

    select
        referral_link_id,
        clicked_at,
        utm_source,
        utm_medium,
        utm_campaign,
        is_converted
    from {{ ref('stg_referral_clicks') }}

),

links as (

    select
        referral_link_id,
        customer_id
    from {{ ref('stg_referral_links') }}

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
        links.customer_id,
        clicks.clicked_at as occurred_at,
        clicks.utm_source,
        clicks.utm_medium,
        clicks.utm_campaign,
        clicks.is_converted as converted
    from clicks
    inner join links
        on clicks.referral_link_id = links.referral_link_id
    inner join customers
        on links.customer_id = customers.customer_id

)

select * from final

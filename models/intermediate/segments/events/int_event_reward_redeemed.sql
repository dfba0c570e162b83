-- One row per redemption that counts: neither failed nor cancelled.
with

redemptions as (

    select * from {{ ref('fct_redemptions') }}

),

rewards as (

    select
        reward_id,
        shop_id,
        reward_type
    from {{ ref('stg_reward_definitions') }}

),

final as (

    select
        redemptions.shop_id,
        redemptions.customer_id,
        redemptions.redeemed_at as occurred_at,
        redemptions.points_spent as points,
        redemptions.status,
        rewards.reward_type
    from redemptions
    left join rewards
        on
            redemptions.reward_id = rewards.reward_id
            and redemptions.shop_id = rewards.shop_id
    where redemptions.is_counted

)

select * from final

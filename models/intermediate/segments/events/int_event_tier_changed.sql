-- One row per rise or fall of a customer to another tier level.
with

progressions as (

    select * from {{ ref('fct_tier_progressions') }}

),

tiers as (

    select
        tier_id,
        shop_id,
        name
    from {{ ref('int_tiers') }}

),

final as (

    select
        progressions.shop_id,
        progressions.customer_id,
        progressions.valid_from as occurred_at,
        progressions.direction,
        progressions.reason,
        tiers.name as tier_name,
        progressions.tier_level
    from progressions
    left join tiers
        on
            progressions.tier_id = tiers.tier_id
            and progressions.shop_id = tiers.shop_id
    where progressions.direction in ('upgrade', 'downgrade')

)

select * from final

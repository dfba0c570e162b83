-- One row per segment and customer that the application itself holds active. A row of a customer of
-- another shop is a fault of the data, and no membership.
with

memberships as (

    select * from {{ ref('stg_customer_segment_memberships') }}

),

rules as (

    select * from {{ ref('int_segment_rules') }}

),

features as (

    select * from {{ ref('int_customer_features') }}

),

final as (

    select
        memberships.segment_id,
        rules.shop_id,
        memberships.customer_id,
        rules.rule_status,
        -- What is undated, or dated later, began at as_of at the latest.
        least(memberships.added_at, {{ as_of() }}) as added_at
    from memberships
    inner join rules on memberships.segment_id = rules.segment_id
    inner join features on memberships.customer_id = features.customer_id
    where
        coalesce(memberships.is_active, true)
        -- A CASE, as int_segment_contacts tells.
        and case when rules.shop_id = features.shop_id then true end

)

select * from final

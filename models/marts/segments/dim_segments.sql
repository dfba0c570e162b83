-- One row per segment of a shop.
with

rules as (

    select * from {{ ref('int_segment_rules') }}

),

final as (

    select
        segment_id,
        shop_id,
        name,
        description,
        segment_type,
        rule_status,
        rule_error,
        rule_in_words,
        created_at,
        updated_at
    from rules

)

select * from final

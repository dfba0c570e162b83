-- One row per segment and customer that belongs to it at as_of: whom the rule selects, or, in a
-- manual segment, whom the application holds. One that is not decided (invalid, inactive) has none.
with

matches as (

    select * from {{ ref('int_segment_matches') }}

),

rules as (

    select * from {{ ref('int_segment_rules') }}

),

application_members as (

    select * from {{ ref('int_segment_application_members') }}

),

final as (

    select
        matches.segment_id,
        matches.shop_id,
        matches.customer_id,
        rules.rule_status
    from matches
    inner join rules on matches.segment_id = rules.segment_id
    where rules.is_decided and rules.rule_status != 'manual'
    union all
    select
        segment_id,
        shop_id,
        customer_id,
        rule_status
    from application_members
    where rule_status = 'manual'

)

select * from final

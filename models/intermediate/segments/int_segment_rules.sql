-- One row per segment of a shop: what its rule is worth in this build.
with

segments as (

    select * from {{ ref('stg_customer_segments') }}

),

rules as (

    select * from {{ source('ops', 'segment_rules') }}

),

evaluated as (

    select segment_id from {{ ref('int_segment_parameters') }}

),

judged as (

    select
        segments.segment_id,
        segments.shop_id,
        segments.name,
        segments.description,
        segments.segment_type,
        segments.created_at,
        segments.updated_at,
        rules.rule_error,
        rules.rule_in_words,
        -- The rule as it is now, not as it was compiled, says who keeps the members.
        case
            when not coalesce(segments.is_active, true) then 'inactive'
            when not coalesce(segments.auto_update, true) then 'manual'
            when rules.rule_status = 'invalid' then 'invalid'
            when evaluated.segment_id is not null and rules.rule_status = 'valid' then 'valid'
            else 'stale'
        end as rule_status,
        evaluated.segment_id is not null as is_evaluated
    from segments
    left join rules on segments.segment_id = rules.segment_id
    left join evaluated on segments.segment_id = evaluated.segment_id

),

final as (

    select
        segment_id,
        shop_id,
        name,
        description,
        segment_type,
        created_at,
        updated_at,
        rule_status,
        rule_status = 'manual'
        or (rule_status in ('valid', 'stale') and is_evaluated) as is_decided,
        case
            when rule_status = 'invalid' or (rule_status = 'stale' and is_evaluated) then rule_error
            when rule_status = 'stale'
                then 'not compiled yet, or it reads a field that is gone: loyalty build'
        end as rule_error,
        case
            when rule_status in ('valid', 'stale') and is_evaluated then rule_in_words
        end as rule_in_words
    from judged

)

select * from final

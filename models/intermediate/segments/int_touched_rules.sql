-- One row per rule that this run evaluates for everybody: new, gone, or with another signature than
-- when it was evaluated last. None in a run that computes everything.
{{ config(materialized='table', unlogged=true) }}

with

rules as (

    select
        segment_id,
        signature
    from {{ ref('int_segment_parameters') }}

),

evaluated as (

    select
        segment_id,
        signature
    from ops.segment_evaluated_rules
    where schema_name = '{{ this.schema }}'

)

select coalesce(rules.segment_id, evaluated.segment_id) as segment_id
from rules
full join evaluated on rules.segment_id = evaluated.segment_id
where
    not {{ this_run().is_full }}
    and rules.signature is distinct from evaluated.signature

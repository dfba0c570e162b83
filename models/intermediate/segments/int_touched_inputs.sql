-- One row per customer for whom this run evaluates every rule: new, gone, or with other values than
-- when their rules were evaluated last. None in a run that computes everything.
{{ config(materialized='table', unlogged=true) }}

with

inputs as (

    select
        customer_id,
        inputs
    from {{ ref('int_segment_inputs') }}

),

evaluated as (

    select
        customer_id,
        inputs
    from ops.segment_evaluated_inputs
    where schema_name = '{{ this.schema }}'

)

select coalesce(inputs.customer_id, evaluated.customer_id) as customer_id
from inputs
full join evaluated on inputs.customer_id = evaluated.customer_id
where
    not {{ this_run().is_full }}
    and inputs.inputs is distinct from evaluated.inputs

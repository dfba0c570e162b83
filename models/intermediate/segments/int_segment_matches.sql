{#- The rules of one shape share a predicate, whatever their number: it is evaluated for each
    customer with the constants of each rule of the customer's shop. So one pass does for all. -#}
{%- set shapes_per_pass = 256 -%}
{%- do segment_plan_warning() -%}
{%- set parameters = ref('int_segment_parameters') -%}
{%- set features = ref('int_customer_features') -%}
{%- set plan = segment_plan(parameters) -%}
-- One row per segment and customer that its rule selects.
{%- for shapes in plan | batch(shapes_per_pass) %}
select
    parameters.segment_id,
    parameters.shop_id,
    features.customer_id
from {{ parameters }} as parameters
inner join {{ features }} as features on parameters.shop_id = features.shop_id
where
    parameters.shape_id between {{ shapes[0].shape_id }} and {{ shapes[-1].shape_id }}
    and {{ segment_case(shapes, 'predicate') }}
{% if not loop.last %}union all{% endif %}
{%- else %}
select
    segment_id,
    shop_id,
    null::bigint as customer_id
from {{ parameters }}
where false
{%- endfor %}

{#- The rules of one shape share a predicate, whatever their number: it is evaluated for each
    customer with the constants of each rule of the customer's shop. So one pass does for all; one
    more where rules read what customers' events come to, or other segments' members. -#}
{%- set shapes_per_pass = 256 -%}
{%- do segment_plan_warning() -%}
{%- set parameters = ref('int_segment_parameters') -%}
{%- set features = ref('int_customer_features') -%}
{%- set event_values = ref('int_segment_event_values') -%}
{%- set kept_members = ref('int_segment_kept_members') -%}
{%- set plain, reading, passes = [], [], [] -%}
{%- for shape in segment_plan(parameters) -%}
    {%- set reads = 'event_values.' in shape.predicate or 'kept_members.' in shape.predicate -%}
    {%- do (reading if reads else plain).append(shape) -%}
{%- endfor -%}
{%- for shapes in plain | batch(shapes_per_pass) -%}
    {%- do passes.append({'shapes': shapes, 'reads': false}) -%}
{%- endfor -%}
{%- for shapes in reading | batch(shapes_per_pass) -%}
    {%- do passes.append({'shapes': shapes, 'reads': true}) -%}
{%- endfor -%}
-- One row per segment and customer that its rule selects.
{%- for pass in passes %}
select
    parameters.segment_id,
    parameters.shop_id,
    features.customer_id
from {{ parameters }} as parameters
inner join {{ features }} as features on parameters.shop_id = features.shop_id
{%- if pass.reads %}
left join {{ event_values }} as event_values
    on
        features.customer_id = event_values.customer_id
        and features.shop_id = event_values.shop_id
left join {{ kept_members }} as kept_members
    on
        features.customer_id = kept_members.customer_id
        and features.shop_id = kept_members.shop_id
{%- endif %}
where
    parameters.shape_id between {{ pass.shapes[0].shape_id }} and {{ pass.shapes[-1].shape_id }}
    and (
        cardinality(parameters.event_tests) + cardinality(parameters.reference_tests) > 0
    ) = {{ pass.reads }}
    and {{ segment_case(pass.shapes, 'predicate') }}
{% if not loop.last %}union all{% endif %}
{%- else %}
select
    segment_id,
    shop_id,
    null::bigint as customer_id
from {{ parameters }}
where false
{%- endfor %}

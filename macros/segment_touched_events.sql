{% macro segment_touched_events(customer_id) -%}
    {%- set is_test = model is defined and model.resource_type == 'unit_test' -%}
    {%- set customers = ref('int_touched_event_values') if not is_test -%}
    {%- if this_run().is_full -%}
        true
    {%- else -%}
        {{ customer_id }} in (select touched.customer_id from {{ customers }} as touched)
    {%- endif -%}
{%- endmacro %}

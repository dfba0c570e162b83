{% macro is_touched(customer_id) -%}
    {%- set touched = ref('int_touched_customers') if model.resource_type != 'unit_test' -%}
    {%- if this_run().is_full -%}
        true
    {%- else -%}
        {{ customer_id }} in (select touched.customer_id from {{ touched }} as touched)
    {%- endif -%}
{%- endmacro %}

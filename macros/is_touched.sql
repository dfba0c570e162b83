{% macro is_touched(customer_id, among='customers') -%}
    {%- set touched = ref('int_touched_' ~ among) if model.resource_type != 'unit_test' -%}
    {%- if this_run().is_full -%}
        true
    {%- else -%}
        {{ customer_id }} in (select touched.customer_id from {{ touched }} as touched)
    {%- endif -%}
{%- endmacro %}

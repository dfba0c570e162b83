{% macro is_touched(customer_id) -%}
    true
{%- endmacro %}

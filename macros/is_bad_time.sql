{% macro is_bad_time(column) -%}
    ({{ column }} < '2000-01-01 00:00:00+00' or {{ column }} = 'infinity')
{%- endmacro %}

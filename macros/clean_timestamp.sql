{% macro clean_timestamp(column) -%}
    case when {{ column }} >= '2000-01-01 00:00:00+00' and {{ column }} < 'infinity' then {{ column }} end
{%- endmacro %}

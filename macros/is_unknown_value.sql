{% macro is_unknown_value(column, table_name, column_name) -%}
    {#- The list is read once per query. NULL is no value, also where the list is empty. -#}
    ({{ column }} is not null and {{ column }} <> all (
        array(
            select known.value
            from {{ ref('enumerations') }} as known
            where known.table_name = '{{ table_name }}' and known.column_name = '{{ column_name }}'
        )
    ))
{%- endmacro %}

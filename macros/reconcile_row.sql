{% macro reconcile_row(relation, columns) -%}
    {#- json has no equality: its text is compared. -#}
    {%- for column in columns -%}
        {{ relation }}.{{ adapter.quote(column.name) }}
        {{- '::text' if column.type in ('json', 'xml') }}
        {{- ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

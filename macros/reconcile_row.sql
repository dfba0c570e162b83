{% macro reconcile_row(relation, columns, comparable=true) -%}
    {#- json and xml have no equality: their text is compared. -#}
    {%- for column in columns -%}
        {{ relation }}.{{ adapter.quote(column.name) }}
        {{- '::text' if comparable and column.type in ('json', 'xml') }}
        {{- ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

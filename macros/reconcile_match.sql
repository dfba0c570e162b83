{% macro reconcile_match(one, other, keys) -%}
    {%- for key in keys -%}
        {{ one }}.{{ adapter.quote(key) }} = {{ other }}.{{ adapter.quote(key) }}
        {{- ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

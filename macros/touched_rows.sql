{% macro touched_rows(touched) -%}
    {#- By name, not by ref: a test's dependencies are known before its model's meta is. -#}
    {%- set keys = {
        'customers': ['customer_id'],
        'orders': ['shop_id', 'order_id'],
        'shops': ['shop_id'],
        'standings': ['customer_id'],
        'expiries': ['customer_id'],
        'liabilities': ['shop_id'],
    } -%}
    {%- if touched not in keys -%}
        {{ exceptions.raise_compiler_error(
            "meta.touched is " ~ touched ~ "; it may be customers, orders, shops, standings,"
            ~ " expiries or liabilities."
        ) }}
    {%- endif -%}
    {%- set relation = graph.nodes['model.' ~ project_name ~ '.int_touched_' ~ touched].relation_name -%}
    ({{ keys[touched] | join(', ') }}) in (select {{ keys[touched] | join(', ') }} from {{ relation }})
{%- endmacro %}

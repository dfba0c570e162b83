{% macro is_touched_order(shop_id, order_id) -%}
    {%- set touched = ref('int_touched_orders') if model.resource_type != 'unit_test' -%}
    {%- if this_run().is_full -%}
        true
    {%- else -%}
        ({{ shop_id }}, {{ order_id }}) in (
            select
                touched.shop_id,
                touched.order_id
            from {{ touched }} as touched
        )
    {%- endif -%}
{%- endmacro %}

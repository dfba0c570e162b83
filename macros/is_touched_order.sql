{% macro is_touched_order(shop_id, order_id) -%}
    true
{%- endmacro %}

{% macro is_touched_shop(shop_id) -%}
    true
{%- endmacro %}

{% macro is_touched_shop(shop_id, among='shops') -%}
    {%- set touched = ref('int_touched_' ~ among) if model.resource_type != 'unit_test' -%}
    {%- if this_run().is_full -%}
        true
    {%- else -%}
        {{ shop_id }} in (select touched.shop_id from {{ touched }} as touched)
    {%- endif -%}
{%- endmacro %}

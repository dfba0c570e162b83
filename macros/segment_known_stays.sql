{% macro segment_known_stays() -%}
    {#- None before a developer's first build; in production the table exists from the start. -#}
    {%- if is_incremental() -%}
        {{ this }}
    {%- else -%}
        (select * from ops.segment_stays where false)
    {%- endif -%}
{%- endmacro %}

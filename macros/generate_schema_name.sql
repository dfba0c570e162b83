{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set schema = (custom_schema_name or target.schema) | trim -%}
    {%- if target.name == 'prod' -%}
        {{ schema }}
    {%- elif target.name == 'asof' -%}
        {{ schema }}_asof
    {%- else -%}
        {{ target.schema }}_{{ schema }}
    {%- endif -%}
{%- endmacro %}

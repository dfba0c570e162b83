{% macro segment_passed_times(features) -%}
    {#- A condition may compare any time of a customer with as_of, which passes them one by one. -#}
    {%- set passed = [] -%}
    {%- if execute -%}
        {%- for column in adapter.get_columns_in_relation(features)
            if column.data_type == 'timestamp with time zone' -%}
            {%- do passed.append('features.' ~ adapter.quote(column.name) ~ ' <= ' ~ as_of()) -%}
        {%- endfor -%}
    {%- endif -%}
    array[{{ passed | join(', ') }}]::boolean[]
{%- endmacro %}

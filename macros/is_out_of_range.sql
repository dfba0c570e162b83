{% macro is_out_of_range(column, range) -%}
    {%- if range.startswith('money') -%}
        {#- What the macro money makes NULL: NaN, and what numeric(14, 2) cannot hold. -#}
        (
            not abs(round({{ column }}, 2)) < 1000000000000
            {%- if range != 'money' %} or not {{ column }} {{ range[6:] }}{% endif -%}
        )
    {%- else -%}
        (not {{ column }} {{ range }})
    {%- endif -%}
{%- endmacro %}

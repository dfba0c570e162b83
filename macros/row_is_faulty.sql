{% macro row_is_faulty(checked) -%}
    {%- set conditions = [] -%}
    {%- for name in checked.times -%}
        {%- do conditions.append(is_bad_time(checked.rows ~ '.' ~ name)) -%}
    {%- endfor -%}
    {%- for name, range in checked.get('ranges', {}).items() -%}
        {%- do conditions.append(is_out_of_range(checked.rows ~ '.' ~ name, range)) -%}
    {%- endfor -%}
    {%- for name in checked.get('enumerations', []) -%}
        {%- do conditions.append(
            is_unknown_value(checked.rows ~ '.' ~ name, checked.table_name, name)
        ) -%}
    {%- endfor -%}
    ({{ conditions | join('\n        or ') }})
{%- endmacro %}

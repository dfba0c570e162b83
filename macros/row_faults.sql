{% macro row_faults(checked) -%}
    {#- What people may have written themselves is not repeated: it may be personal. -#}
    {%- set free_text = ['created_by', 'reason'] -%}
    {%- set code = "~ '^([A-Za-z][A-Za-z0-9_-]{0,29})?$'" -%}
    (
        'invalid_time',
        '',
        nullif(concat_ws(
            ', '
            {%- for name in checked.times %}
            {%- set column = checked.rows ~ '.' ~ name %},
            case
                when {{ is_bad_time(column) }}
                    then '{{ name }} is ' || {{ date_in_words(column) }}
            end
            {%- endfor %}
        ), '')
    )
    {%- if checked.get('ranges') -%},
    (
        'out_of_range',
        '',
        nullif(concat_ws(
            ', '
            {%- for name, range in checked.ranges.items() %}
            {%- set column = checked.rows ~ '.' ~ name %},
            case
                when {{ is_out_of_range(column, range) }}
                    then '{{ name }} is ' || {{ column }}::text
            end
            {%- endfor %}
        ), '')
    )
    {%- endif %}
    {%- for name in checked.get('enumerations', []) -%}
    {%- set column = checked.rows ~ '.' ~ name %},
    (
        'unknown_{{ name }}',
        {%- if name in free_text %}
        'none of the known values',
        case
            when {{ is_unknown_value(column, checked.table_name, name) }}
                then '{{ name }} is none of the known values'
        end
        {%- else %}
        case
            when {{ column }} {{ code }} then '''' || {{ column }} || ''''
            else 'none of the known values'
        end,
        case
            when {{ is_unknown_value(column, checked.table_name, name) }}
                then '{{ name }} is ' || case
                    when {{ column }} {{ code }} then '''' || {{ column }} || ''''
                    else 'none of the known values'
                end
        end
        {%- endif %}
    )
    {%- endfor -%}
{%- endmacro %}

{% macro rate(part, whole) -%}
    {#- Of nothing, and of less than nothing, there is no part; nor is a rate that the type cannot hold
        anybody's: it must not stop all others. -#}
    (
        case
            when abs(({{ part }}) / nullif(greatest({{ whole }}, 0), 0)::numeric) < 999.9999995
                then ({{ part }}) / nullif(greatest({{ whole }}, 0), 0)::numeric
        end
    )::numeric(9, 6)
{%- endmacro %}

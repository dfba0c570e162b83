{% macro local_midnight(date, zone) -%}
    {#- Where clocks go forward over midnight, PostgreSQL gives the day's first instant; where they go
        back over it, midnight comes twice and PostgreSQL gives the second: the day began an hour earlier. -#}
    case
        when
            ((({{ date }})::timestamp at time zone ({{ zone }})) - interval '1 hour')
            at time zone ({{ zone }}) >= ({{ date }})::timestamp
            then (({{ date }})::timestamp at time zone ({{ zone }})) - interval '1 hour'
        else ({{ date }})::timestamp at time zone ({{ zone }})
    end
{%- endmacro %}

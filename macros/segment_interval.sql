{% macro segment_interval(value, unit) -%}
    case {{ unit }}
        when 'hour' then make_interval(hours => {{ value }})
        when 'day' then make_interval(days => {{ value }})
        when 'week' then make_interval(weeks => {{ value }})
        when 'month' then make_interval(months => {{ value }})
    end
{%- endmacro %}

{% macro segment_window_start(value, unit, localized) -%}
    case {{ unit }}
        when 'hour' then {{ localized }}.as_of - {{ segment_interval(value, unit) }}
        else {{ local_midnight(
            '(' ~ localized ~ '.today - ' ~ segment_interval(value, unit) ~ ')::date',
            localized ~ '.timezone'
        ) }}
    end
{%- endmacro %}

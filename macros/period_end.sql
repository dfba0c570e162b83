{% macro period_end(start, period_type) -%}
    (({{ start }}) + case {{ period_type }}
        when 'daily' then interval '1 day'
        when 'weekly' then interval '1 week'
        when 'monthly' then interval '1 month'
    end)::date
{%- endmacro %}

{% macro period_start(date, period_type) -%}
    (case {{ period_type }}
        when 'daily' then {{ date }}
        when 'weekly' then date_trunc('week', ({{ date }})::timestamp)::date
        when 'monthly' then date_trunc('month', ({{ date }})::timestamp)::date
    end)
{%- endmacro %}

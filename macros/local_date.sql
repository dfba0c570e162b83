{% macro local_date(instant, zone) -%}
    (({{ instant }}) at time zone ({{ zone }}))::date
{%- endmacro %}

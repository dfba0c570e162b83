{% macro money(expression) -%}
    {#- NaN, and what numeric(14, 2) cannot hold, is nobody's amount: one shop's must not stop all. -#}
    (case when abs(round({{ expression }}, 2)) < 1000000000000 then {{ expression }} end)::numeric(14, 2)
{%- endmacro %}

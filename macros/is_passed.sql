{% macro is_passed(instant) -%}
    ({{ instant }} > {{ this_run().as_of }} and {{ instant }} <= {{ as_of() }})
{%- endmacro %}

{% macro segment_touched_matches(segment_id, customer_id) -%}
    {#- Each condition for itself can be joined; a match for which both hold is of the first. -#}
    {%- set is_test = model is defined and model.resource_type == 'unit_test' -%}
    {%- set rules = ref('int_touched_rules') if not is_test -%}
    {%- set inputs = ref('int_touched_inputs') if not is_test -%}
    {%- if this_run().is_full -%}
        {{ return(['true']) }}
    {%- endif -%}
    {%- set rule = segment_id ~ ' in (select touched.segment_id from ' ~ rules ~ ' as touched)' -%}
    {%- set customer =
        customer_id ~ ' in (select touched.customer_id from ' ~ inputs ~ ' as touched)' -%}
    {{ return([rule, '(' ~ customer ~ ' and not ' ~ rule ~ ')']) }}
{%- endmacro %}

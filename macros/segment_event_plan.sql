{% macro segment_event_plan(tests) %}
    {%- if not execute -%}{{ return([]) }}{%- endif -%}
    {%- set shapes = [] -%}
    {%- for row in run_query(
        "select wanted.event, wanted.shape_id::text, plan.predicate, plan.value"
        ~ " from (select distinct event, shape_id from " ~ tests ~ ") as wanted"
        ~ " left join ops.segment_event_plan as plan on plan.shape_id = wanted.shape_id"
        ~ " order by wanted.event, wanted.shape_id"
    ).rows -%}
        {%- if row[2] is none -%}
            {{ exceptions.raise_compiler_error(
                "The rules were compiled again after " ~ tests ~ " was built, so their constants do not"
                ~ " fit. Build int_segment_event_tests too, or everything: loyalty build"
            ) }}
        {%- endif -%}
        {%- do shapes.append(
            {'event': row[0], 'shape_id': row[1], 'predicate': row[2], 'value': row[3]}
        ) -%}
    {%- endfor -%}
    {{ return(shapes) }}
{% endmacro %}

{% macro segment_plan(parameters) %}
    {%- if not execute -%}{{ return([]) }}{%- endif -%}
    {%- set shapes = [] -%}
    {%- for row in run_query(
        "select wanted.shape_id::text, plan.predicate, plan.values_seen"
        ~ " from (select distinct shape_id from " ~ parameters ~ ") as wanted"
        ~ " left join ops.segment_plan as plan on plan.shape_id = wanted.shape_id"
        ~ " order by wanted.shape_id"
    ).rows -%}
        {%- if row[1] is none -%}
            {{ exceptions.raise_compiler_error(
                "The rules were compiled again after " ~ parameters ~ " was built, so their constants"
                ~ " do not fit. Build int_segment_parameters too, or everything: loyalty build"
            ) }}
        {%- endif -%}
        {%- do shapes.append(
            {'shape_id': row[0], 'predicate': row[1], 'values_seen': row[2]}
        ) -%}
    {%- endfor -%}
    {{ return(shapes) }}
{% endmacro %}

{% macro segment_plan(parameters) %}
    {%- if not execute -%}{{ return([]) }}{%- endif -%}
    {%- set shapes = [] -%}
    {%- for row in run_query(
        "select shape_id::text, predicate, values_seen from ops.segment_plan"
        ~ " where shape_id in (select shape_id from " ~ parameters ~ ")"
        ~ " order by segment_plan.shape_id"
    ).rows -%}
        {%- do shapes.append(
            {'shape_id': row[0], 'predicate': row[1], 'values_seen': row[2]}
        ) -%}
    {%- endfor -%}
    {{ return(shapes) }}
{% endmacro %}

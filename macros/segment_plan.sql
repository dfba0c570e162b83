{% macro segment_plan(parameters) %}
    {%- if not execute -%}{{ return([]) }}{%- endif -%}
    {%- set older = run_query(
        "select count(*) from raw.customer_segments as segments"
        ~ " full join ops.segment_rules as rules on rules.segment_id = segments.id"
        ~ " where (segments._deleted_at is null"
        ~ " and rules.criteria_hash is distinct from md5(segments.criteria::text))"
        ~ " or (segments._deleted_at is not null and rules.segment_id is not null)"
    ).columns[0].values()[0] -%}
    {%- if older -%}
        {%- do exceptions.warn(
            older ~ " segment rules changed after they were compiled; the compiled ones are used."
            ~ " Compile them with: loyalty build"
        ) -%}
    {%- endif -%}
    {%- set shapes = [] -%}
    {%- for row in run_query(
        "select shape_id::text, predicate, values_seen from ops.segment_plan"
        ~ " where shape_id in (select shape_id from " ~ parameters ~ ") order by segment_plan.shape_id"
    ).rows -%}
        {%- do shapes.append(
            {'shape_id': row[0], 'predicate': row[1], 'values_seen': row[2]}
        ) -%}
    {%- endfor -%}
    {{ return(shapes) }}
{% endmacro %}

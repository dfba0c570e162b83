{% macro segment_plan_warning() %}
    {%- if not execute -%}{{ return('') }}{%- endif -%}
    {%- set newer = run_query(
        "select count(*) from raw.customer_segments as segments"
        ~ " left join ops.segment_rules as rules on rules.segment_id = segments.id"
        ~ " where segments._deleted_at is null"
        ~ " and (rules.segment_id is null"
        ~ " or rules.criteria_hash is distinct from md5(segments.criteria::text))"
    ).columns[0].values()[0] -%}
    {%- if newer -%}
        {%- do exceptions.warn(
            newer ~ " segment rules changed after they were compiled; what was compiled is used."
            ~ " Compile them with: loyalty build"
        ) -%}
    {%- endif -%}
{% endmacro %}

{% macro keeps_view_columns(view, sql) %}
    {%- set candidate = make_temp_relation(view, '__candidate') -%}
    {%- do run_query('create temporary view ' ~ candidate ~ ' as (' ~ sql ~ ')') -%}
    {%- set lost = run_query(
        "select count(*) from pg_attribute as existing "
        ~ "left join pg_attribute as candidate "
        ~ "on candidate.attrelid = '" ~ candidate ~ "'::regclass "
        ~ "and candidate.attnum = existing.attnum "
        ~ "where existing.attrelid = to_regclass('" ~ view.include(database=false) ~ "') "
        ~ "and existing.attnum > 0 "
        ~ "and row(existing.attname, existing.atttypid, existing.atttypmod, existing.attcollation) "
        ~ "is distinct from "
        ~ "row(candidate.attname, candidate.atttypid, candidate.atttypmod, candidate.attcollation)"
    ).columns[0].values()[0] -%}
    {{ return(lost == 0) }}
{% endmacro %}

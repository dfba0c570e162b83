{% macro reconcile_columns(target, result, dest_columns) %}
    {#-
        The contract says the types where there is one, else the query does. A table of the contract's
        columns lets PostgreSQL spell them as its catalogue does.
    -#}
    {%- set wanted = result -%}
    {%- if config.get('contract').enforced -%}
        {%- set wanted = make_temp_relation(this, '__types') -%}
        {%- do run_query('create temporary table ' ~ wanted ~ get_table_columns_and_constraints()) -%}
    {%- endif -%}
    {%- set types = run_query(
        "select wanted.attname, format_type(wanted.atttypid, wanted.atttypmod), "
        ~ "format_type(existing.atttypid, existing.atttypmod) "
        ~ "from pg_attribute as wanted "
        ~ "inner join pg_attribute as existing on existing.attname = wanted.attname "
        ~ "where wanted.attrelid = '" ~ wanted ~ "'::regclass "
        ~ "and existing.attrelid = '" ~ target ~ "'::regclass "
        ~ "and wanted.attnum > 0 and not wanted.attisdropped "
        ~ "order by wanted.attnum"
    ) -%}
    {%- set names = dest_columns | map(attribute='name') | list -%}
    {%- set columns = [] -%}
    {%- for row in types.rows if row[0] in names -%}
        {%- do columns.append({'name': row[0], 'type': row[1], 'target_type': row[2]}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{% endmacro %}

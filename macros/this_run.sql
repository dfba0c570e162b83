{% macro this_run() -%}
    {#- Compiled outside a run, in a unit test or for documentation, a model computes everything; so
        does a test of all rows. -#}
    {%- set run = {'is_full': true, 'sync_id': 0, 'as_of': "timestamptz '-infinity'"} -%}
    {%- if execute and model is defined and model.resource_type != 'unit_test'
        and not (model.resource_type == 'test' and var('test_all_rows')) -%}
        {%- if 'this_run' not in remembered() -%}
            {%- for row in run_query(
                "select is_full, since_sync_id, since_as_of::text from ops.dbt_runs"
                ~ " where invocation_id = '" ~ invocation_id ~ "'"
            ).rows -%}
                {%- do remembered().update(this_run=run if row[0] else {
                    'is_full': false, 'sync_id': row[1], 'as_of': "timestamptz '" ~ row[2] ~ "'"
                }) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- set run = remembered().get('this_run', run) -%}
    {%- endif -%}
    {{ return(run) }}
{%- endmacro %}

{% macro end_run() %}
    {%- if not execute or flags.WHICH == 'freshness' -%}{{ return('') }}{%- endif -%}
    {%- set syncs = run_query(
        "select sync_id, (select max(sync_id) from ops.sync_runs) from ops.dbt_runs"
        ~ " where invocation_id = '" ~ invocation_id ~ "'"
    ).rows -%}
    {%- for began, now in syncs if began != now -%}
        {{ exceptions.raise_compiler_error(
            "raw moved from sync " ~ began ~ " to " ~ now ~ " while this run read it, so its models may"
            ~ " not fit together. Run dbt build again, or use loyalty build, which holds the writer lock"
        ) }}
    {%- endfor -%}
    update ops.dbt_runs set finished_at = now() where invocation_id = '{{ invocation_id }}'
{% endmacro %}

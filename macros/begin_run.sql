{% macro begin_run() %}
    {%- if not execute or flags.WHICH == 'freshness' -%}{{ return('') }}{%- endif -%}
    {%- if not run_query(
        "select to_regclass('ops.sync_runs') is not null and to_regclass('ops.dbt_runs') is not null"
    ).columns[0].values()[0] -%}
        {{ exceptions.raise_compiler_error(
            "The warehouse " ~ target.dbname ~ " holds no raw tables yet. Run: loyalty sync"
        ) }}
    {%- endif -%}
    {%- set last = run_query(
        "select sync_id, is_mixed from ops.sync_runs order by sync_id desc limit 1"
    ).rows -%}
    {%- if not last -%}
        {{ exceptions.raise_compiler_error(
            "Nothing has been synced into " ~ target.dbname ~ " yet. Run: loyalty sync"
        ) }}
    {%- endif -%}
    {%- if last[0][1] -%}
        {{ exceptions.raise_compiler_error(
            "The last sync read single tables, so raw's tables come from different moments and their"
            ~ " rows may not fit together. Run: loyalty sync"
        ) }}
    {%- endif -%}

    {%- set instant = as_of() -%}
    {%- if run_query("select " ~ instant ~ " > max(snapshot_at) from ops.sync_runs").columns[0].values()[0] -%}
        {{ exceptions.raise_compiler_error(
            "as_of is " ~ instant[12:] ~ ", which is later than the last sync: the warehouse cannot know."
            ~ " Leave as_of out, or run: loyalty sync"
        ) }}
    {%- endif -%}
    {%- if target.name != 'asof' -%}
        {%- set relations = [] -%}
        {%- for node in graph.nodes.values() if node.config.materialized == 'incremental' -%}
            {%- do relations.append("'" ~ node.schema ~ "." ~ node.alias ~ "'") -%}
        {%- endfor -%}
        {%- set built = run_query(
            "select max(as_of) from ops.model_watermarks where as_of > " ~ instant
            ~ " and model in (" ~ (relations | join(', ') or 'null') ~ ")"
        ).columns[0].values()[0] -%}
        {%- if built is not none -%}
            {{ exceptions.raise_compiler_error(
                "as_of is " ~ instant[12:] ~ ", but the marts already show " ~ built ~ " and never go back."
                ~ " Build the past beside them, in schemas <name>_asof, with --target asof"
            ) }}
        {%- endif -%}
    {%- endif %}

    {%- set plan = plan_run(instant) -%}
    {{- require_upstream(last[0][0], instant, plan) }}

    insert into ops.dbt_runs (
        invocation_id, target, sync_id, as_of, started_at, is_full, full_because, since_sync_id, since_as_of
    )
    values (
        '{{ invocation_id }}',
        '{{ target.name }}',
        {{ last[0][0] }},
        {{ instant }},
        now(),
        {{ plan.is_full }},
        {{ "'" ~ plan.because ~ "'" if plan.because else 'null' }},
        {{ plan.sync_id if plan.sync_id is not none else 'null' }},
        {{ "'" ~ plan.as_of ~ "'" if plan.as_of else 'null' }}
    )
{% endmacro %}

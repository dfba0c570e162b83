{% macro finish_model() -%}
    {%- set materialized = config.get('materialized') -%}
    {%- if materialized == 'table' or (materialized == 'incremental' and not is_incremental()) -%}
        {#- A new table has no statistics until somebody takes them. -#}
        analyze {{ this }};
    {%- endif -%}
    {%- if materialized in ('incremental', 'table') %}
    insert into ops.model_watermarks (
        model, sync_id, as_of, built_at, version, is_full, since_sync_id, since_as_of
    )
    select
        '{{ this.schema }}.{{ this.identifier }}',
        sync_id,
        as_of,
        now(),
        '{{ project_version() if execute else '' }}',
        is_full,
        since_sync_id,
        since_as_of
    from ops.dbt_runs
    where invocation_id = '{{ invocation_id }}'
    on conflict (model) do update
        set
            sync_id = excluded.sync_id,
            as_of = excluded.as_of,
            built_at = excluded.built_at,
            version = excluded.version,
            is_full = excluded.is_full,
            since_sync_id = excluded.since_sync_id,
            since_as_of = excluded.since_as_of
    {%- endif -%}
{%- endmacro %}

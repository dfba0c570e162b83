{% macro plan_run(instant) %}
    {#- Every model that keeps rows per touched key, and those of them that this run builds. -#}
    {%- set kept = [] -%}
    {%- set built = [] -%}
    {%- for id, node in graph.nodes.items() if node.config.get('meta', {}).get('touched') -%}
        {%- do kept.append("'" ~ node.schema ~ "." ~ node.alias ~ "'") -%}
        {%- if id in selected_resources -%}
            {%- do built.append("'" ~ node.schema ~ "." ~ node.alias ~ "'") -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set usable -%}
        version = '{{ project_version() }}'
        and as_of <= {{ instant }}
        and to_regclass(model) is not null
        and sync_id >= coalesce((select sync_id from ops.images_horizon), 0)
    {%- endset -%}
    {%- set plan = {
        'is_full': true, 'because': none, 'sync_id': none, 'as_of': none,
        'upstream': 'is_full' if built else 'true'
    } -%}
    {%- if flags.FULL_REFRESH -%}
        {%- do plan.update(because='asked for with --full-refresh') -%}
    {%- elif flags.WHICH == 'test' -%}
        {%- do plan.update(because='tests read all rows') -%}
    {%- elif built -%}
        {%- set missing = run_query(
            "select wanted.model, watermarks.version is null from unnest(array[" ~ built | join(', ')
            ~ "]) as wanted (model) left join ops.model_watermarks as watermarks"
            ~ " on watermarks.model = wanted.model"
            ~ " where not coalesce(" ~ usable | replace('model)', 'wanted.model)')
                | replace('sync_id >=', 'watermarks.sync_id >=') ~ ", false)"
            ~ " order by wanted.model"
        ).rows -%}
        {%- if missing -%}
            {%- do plan.update(
                because=missing[0][0] ~ ' is new, was computed by another version of the project, or'
                ~ ' is older than what the last syncs remember'
                ~ (' (and ' ~ (missing | length - 1) ~ ' more)' if missing | length > 1 else '')
            ) -%}
        {%- else -%}
            {%- set since = run_query(
                "select min(sync_id), min(as_of)::text from ops.model_watermarks where model in ("
                ~ kept | join(', ') ~ ") and " ~ usable
            ).rows[0] -%}
            {%- do plan.update(
                is_full=false, sync_id=since[0], as_of=since[1],
                upstream="since_sync_id <= " ~ since[0] ~ " and since_as_of <= '" ~ since[1] ~ "'"
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(plan) }}
{% endmacro %}

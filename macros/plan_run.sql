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
    {#- What a model holds is a base if this version computed it, and all that came since is known. -#}
    {%- set is_base -%}
        version = '{{ project_version() }}'
        and as_of <= {{ instant }}
        and sync_id >= coalesce((select images_horizon.sync_id from ops.images_horizon), 0)
        and to_regclass(model) is not null
    {%- endset -%}
    {%- set plan = {
        'is_full': true, 'because': none, 'sync_id': none, 'as_of': none,
        'upstream': 'is_full' if built else 'true'
    } -%}
    {%- if flags.FULL_REFRESH -%}
        {%- do plan.update(because='asked for with --full-refresh') -%}
    {%- elif flags.WHICH == 'test' -%}
        {%- do plan.update(because='tests read all rows') -%}
    {%- elif target.name == 'asof' -%}
        {%- do plan.update(because='the past is computed as a whole') -%}
    {%- elif built -%}
        {%- set missing = run_query(
            "select wanted.model from unnest(array[" ~ built | join(', ') ~ "]) as wanted (model)"
            ~ " where wanted.model not in (select model from ops.model_watermarks where " ~ is_base ~ ")"
            ~ " order by wanted.model"
        ).columns[0].values() -%}
        {%- if missing -%}
            {%- do plan.update(
                because=missing[0] ~ ' is new, was computed by another version of the project, or'
                ~ ' is older than what the last syncs remember'
                ~ (' (and ' ~ (missing | length - 1) ~ ' more)' if missing | length > 1 else '')
            ) -%}
        {%- else -%}
            {%- set since = run_query(
                "select min(sync_id), min(as_of)::text from ops.model_watermarks where model in ("
                ~ kept | join(', ') ~ ") and " ~ is_base
            ).rows[0] -%}
            {%- do plan.update(
                is_full=false, sync_id=since[0], as_of=since[1],
                upstream="since_sync_id <= " ~ since[0] ~ " and since_as_of <= '" ~ since[1] ~ "'"
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(plan) }}
{% endmacro %}

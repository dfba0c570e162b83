{% macro require_upstream(sync_id, instant, plan) %}
    {#- Selected models, and the tables above them, through views, that this run does not build. -#}
    {%- set waiting = [] -%}
    {%- for id in selected_resources if id in graph.nodes -%}
        {%- if graph.nodes[id].config.materialized in ('incremental', 'table') -%}
            {%- do waiting.append(id) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set seen = [] -%}
    {%- set needed = {} -%}
    {%- for _ in range(graph.nodes | length) if waiting -%}
        {%- set node = graph.nodes[waiting.pop()] -%}
        {%- for id in node.depends_on.nodes if id in graph.nodes and id not in seen -%}
            {%- do seen.append(id) -%}
            {%- set upstream = graph.nodes[id] -%}
            {%- if upstream.config.materialized == 'view' -%}
                {%- do waiting.append(id) -%}
            {%- elif upstream.resource_type == 'model' and id not in selected_resources -%}
                {%- do needed.update({
                    upstream.schema ~ "." ~ upstream.alias: upstream.config.materialized
                }) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for name, materialized in needed.items() | sort -%}
        {#- An unlogged table is empty after a crash, in silence, and holds what its run computed. -#}
        {%- set current = run_query(
            "select 1 from ops.model_watermarks where model = '" ~ name ~ "' and sync_id = " ~ sync_id
            ~ " and as_of = " ~ instant
            ~ (" and built_at > pg_postmaster_start_time()" if materialized == 'table' else "")
            ~ (" and " ~ plan.upstream if materialized == 'table' else "")
        ) -%}
        {%- if not current.rows -%}
            {{ exceptions.raise_compiler_error(
                name ~ ", which the selection reads, shows another sync or instant, holds not all"
                ~ " rows, or others, or the server has started anew since it was built. Select what lies"
                ~ " above, too: --select +<model>"
            ) }}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}

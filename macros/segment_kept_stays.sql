{% macro segment_kept_stays() -%}
    {#- By name, not by ref: the model segment_stays reads what is computed from its earlier rows.
        PostgreSQL 15 wants a name for every subquery. -#}
    {%- if not execute -%}{{ return('ops.segment_stays') }}{%- endif -%}
    {%- if target.name == 'asof' -%}
        (
            select
                segment_id,
                shop_id,
                customer_id,
                added_at,
                case when removed_at <= {{ as_of() }} then removed_at end as removed_at
            from ops.segment_stays
            where added_at <= {{ as_of() }}
        ) as kept_stays
    {%- else -%}
        {%- set node = graph.nodes['model.' ~ project_name ~ '.segment_stays'] -%}
        {%- set relation = adapter.get_relation(node.database, node.schema, node.alias) -%}
        {#- None before a developer's first build. -#}
        {{- relation if relation else '(select * from ops.segment_stays where false) as kept_stays' -}}
    {%- endif -%}
{%- endmacro %}

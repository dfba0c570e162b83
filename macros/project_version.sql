{% macro project_version() -%}
    {#- dbt tells a macro nothing of the macros: their fingerprint is a variable, which a test checks. -#}
    {%- if 'project_version' not in remembered() -%}
        {%- set parts = [var('macros_version'), var('point_value') | string] -%}
        {%- for node in graph.nodes.values() if node.resource_type in ('model', 'seed') -%}
            {%- do parts.append(node.unique_id ~ ' ' ~ node.checksum.checksum) -%}
        {%- endfor -%}
        {%- do remembered().update(project_version=local_md5(parts | sort | join('\n'))) -%}
    {%- endif -%}
    {{ return(remembered().project_version) }}
{%- endmacro %}

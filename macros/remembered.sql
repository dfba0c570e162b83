{% macro remembered() -%}
    {#- Of all that macros see, only the graph is the same dict for every node of an invocation. -#}
    {{ return(graph.setdefault('remembered ' ~ invocation_id, {})) }}
{%- endmacro %}

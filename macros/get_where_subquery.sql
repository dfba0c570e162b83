{#-
    What a generic test reads: of a model that is computed by touched keys, or a view whose meta.tested
    names such keys, the rows of those that this run computed; `dbt test` reads all.
-#}
{% macro get_where_subquery(relation) -%}
    {%- set conditions = [] -%}
    {%- if config.get('where') -%}
        {%- do conditions.append(config.get('where')) -%}
    {%- endif -%}
    {%- set tested = graph.nodes.get(model.attached_node, {}) if execute else {} -%}
    {%- set meta = tested.get('config', {}).get('meta', {}) -%}
    {%- set touched = meta.get('touched') or meta.get('tested') -%}
    {%- if execute and touched and not this_run().is_full -%}
        {%- do conditions.append(touched_rows(touched)) -%}
    {%- endif -%}
    {%- if conditions -%}
        {%- do return('(select * from ' ~ relation ~ ' where ' ~ conditions | join(' and ') ~ ') dbt_subquery') -%}
    {%- endif -%}
    {%- do return(relation) -%}
{%- endmacro %}

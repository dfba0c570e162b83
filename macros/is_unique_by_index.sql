{#-
    Whether a unique index of the tested relation keeps the columns unique: then there is nothing to
    read, and PostgreSQL does not (a condition without a column is evaluated once, before any row).
-#}
{% macro is_unique_by_index(column_names) -%}
    {%- set tested = graph.nodes.get(model.attached_node, {}) if execute else {} -%}
    exists (
        select from pg_index
        where
            pg_index.indrelid = to_regclass('{{ tested.get('relation_name') }}')
            and pg_index.indisunique
            and pg_index.indisvalid
            and pg_index.indpred is null
            and pg_index.indexprs is null
            and array(
                select attribute.attname::text collate "C"
                from pg_attribute as attribute
                where
                    attribute.attrelid = pg_index.indrelid
                    and attribute.attnum
                    = any((pg_index.indkey::int2[])[0:pg_index.indnkeyatts - 1])
                order by 1
            ) = array['{{ column_names | sort | join("', '") }}']
    )
{%- endmacro %}

{#-
    dbt's own view materialization swaps in a new view and drops the old one with everything that was
    built on it. This one replaces the view in place, which PostgreSQL allows as long as its columns
    stay and new ones are at the end. Where they do not stay, a public view is dropped only if nobody
    has built on it; PostgreSQL's error names who has.
-#}
{% materialization view, adapter='postgres' -%}

    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set grant_config = config.get('grants') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing_relation is not none
        and (not existing_relation.is_view or not keeps_view_columns(this, sql)) -%}
        {%- do run_query(
            'drop ' ~ existing_relation.type ~ ' if exists ' ~ existing_relation
            ~ (' restrict' if config.get('access') == 'public' else ' cascade')
        ) -%}
    {%- endif -%}

    {% call statement('main') -%}
        {{ get_replace_view_sql(target_relation, sql) }}
    {%- endcall %}

    {% do apply_grants(
        target_relation,
        grant_config,
        should_revoke=should_revoke(existing_relation, full_refresh_mode=False)
    ) %}
    {% do persist_docs(target_relation, model) %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}

{%- endmaterialization %}

{% macro get_incremental_reconcile_sql(arg_dict) %}
    {#-
        The model's full result is in the temporary relation. Target rows that it does not yield are
        deleted, those that differ are written, equal ones are left alone, all in the model's own
        transaction. A doubled or NULL key fails when the temporary relation gets its primary key.
    -#}
    {%- set target = arg_dict['target_relation'].include(database=false) -%}
    {%- set temp = arg_dict['temp_relation'] -%}
    {%- set unique_key = arg_dict['unique_key'] -%}
    {%- if not unique_key -%}
        {{ exceptions.raise_compiler_error("The strategy reconcile needs a unique_key: " ~ target) }}
    {%- endif -%}
    {%- set keys = [unique_key] if unique_key is string else unique_key -%}
    {%- set columns = reconcile_columns(target, temp, arg_dict['dest_columns']) -%}
    {%- set on_keys -%}
        {%- for key in keys -%}
            computed.{{ adapter.quote(key) }} = existing.{{ adapter.quote(key) }}
            {{- ' and ' if not loop.last -}}
        {%- endfor -%}
    {%- endset -%}
    {%- set values = columns | rejectattr('name', 'in', keys) | list -%}

    {% for column in columns if column.type != column.target_type -%}
    alter table {{ target }}
        alter column {{ adapter.quote(column.name) }} type {{ column.type }}
        using {{ adapter.quote(column.name) }}::{{ column.type }};
    {% endfor -%}

    alter table {{ temp }} add primary key ({% for key in keys %}{{ adapter.quote(key) }}{{ ', ' if not loop.last }}{% endfor %});
    analyze {{ temp }};

    delete from {{ target }} as existing
    where not exists (select from {{ temp }} as computed where {{ on_keys }});

    merge into {{ target }} as existing
    using (
        select
            {%- for column in columns %}
            {{ adapter.quote(column.name) }}::{{ column.type }} as {{ adapter.quote(column.name) }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        from {{ temp }}
    ) as computed
        on {{ on_keys }}
    {%- if values %}
    when matched and row({{ reconcile_row('computed', values) }})
        is distinct from row({{ reconcile_row('existing', values) }})
        then update set
            {%- for column in values %}
            {{ adapter.quote(column.name) }} = computed.{{ adapter.quote(column.name) }}
            {{- ',' if not loop.last }}
            {%- endfor %}
    {%- endif %}
    when not matched
        then insert ({% for column in columns %}{{ adapter.quote(column.name) }}{{ ', ' if not loop.last }}{% endfor %})
        values ({% for column in columns %}computed.{{ adapter.quote(column.name) }}{{ ', ' if not loop.last }}{% endfor %})
{% endmacro %}

{% macro get_incremental_reconcile_sql(arg_dict) %}
    {#-
        The model's result is in the temporary relation: all of it, or that of what the run touched
        (meta.touched), and then only those rows of the target count. One comparison finds the target
        rows that it does not yield and the rows of it that the target lacks or holds otherwise; only
        these are deleted and written, in the model's own transaction. A doubled or NULL key fails when
        the temporary relation gets its primary key.
    -#}
    {%- set target = arg_dict['target_relation'].include(database=false) -%}
    {%- set result = arg_dict['temp_relation'] -%}
    {%- set changes = make_temp_relation(arg_dict['target_relation'], '__changes') -%}
    {%- set unique_key = arg_dict['unique_key'] -%}
    {%- if not unique_key -%}
        {{ exceptions.raise_compiler_error("The strategy reconcile needs a unique_key: " ~ target) }}
    {%- endif -%}
    {%- set key_names = [unique_key] if unique_key is string else unique_key -%}
    {%- set columns = reconcile_columns(target, result, arg_dict['dest_columns']) -%}
    {%- set values = columns | rejectattr('name', 'in', key_names) | list -%}
    {%- set touched = config.get('meta', {}).get('touched') -%}
    {%- set existing -%}
        {%- if touched and not this_run().is_full -%}
            (select * from {{ target }} where {{ touched_rows(touched) }})
        {%- else -%}
            {{ target }}
        {%- endif -%}
    {%- endset -%}
    {%- set keys = get_quoted_csv(key_names) -%}
    {%- set names = get_quoted_csv(columns | map(attribute='name')) -%}
    {%- set computed -%}
        select
            {%- for column in columns %}
            {{ adapter.quote(column.name) }}::{{ column.type }} as {{ adapter.quote(column.name) }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        from {{ result }}
    {%- endset -%}

    {% for column in columns if column.type != column.target_type -%}
    alter table {{ target }}
        alter column {{ adapter.quote(column.name) }} type {{ column.type }}
        using {{ adapter.quote(column.name) }}::{{ column.type }};
    {% endfor -%}

    alter table {{ result }} add primary key ({{ keys }});
    analyze {{ result }};

    create temporary table {{ changes }} as
    select
        {%- for column in columns %}
        {%- if column.name in key_names %}
        {{ adapter.quote(column.name) }},
        {%- else %}
        computed.{{ adapter.quote(column.name) }},
        {%- endif %}
        {%- endfor %}
        computed.{{ adapter.quote(key_names[0]) }} is null as _is_gone
    from ({{ computed }}) as computed
    full join {{ existing }} as existing using ({{ keys }})
    where
        computed.{{ adapter.quote(key_names[0]) }} is null
        or existing.{{ adapter.quote(key_names[0]) }} is null
        {%- if values %}
        or row({{ reconcile_row('computed', values) }})
        is distinct from row({{ reconcile_row('existing', values) }})
        {%- endif %};
    analyze {{ changes }};

    delete from {{ target }} as existing
    using {{ changes }} as changes
    where changes._is_gone and {{ reconcile_match('changes', 'existing', key_names) }};

    merge into {{ target }} as existing
    using (select * from {{ changes }} where not _is_gone) as changes
        on {{ reconcile_match('changes', 'existing', key_names) }}
    {%- if values %}
    when matched
        then update set
            {%- for column in values %}
            {{ adapter.quote(column.name) }} = changes.{{ adapter.quote(column.name) }}
            {{- ',' if not loop.last }}
            {%- endfor %}
    {%- endif %}
    when not matched
        then insert ({{ names }})
        values ({{ reconcile_row('changes', columns, comparable=false) }})
{% endmacro %}

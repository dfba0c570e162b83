{% macro segment_remember_rules() -%}
    {#- In the transaction that writes the matches: what is remembered and what is there never differ.
        The past is computed as a whole, and nothing is built on it. -#}
    {%- set kinds = {
        'rules': ('segment_id', 'signature', ref('int_segment_parameters')),
        'inputs': ('customer_id', 'inputs', ref('int_segment_inputs')),
    } -%}
    {%- if execute and target.name != 'asof' -%}
    {%- for kind, (key, value, relation) in kinds.items() -%}
    delete from ops.segment_evaluated_{{ kind }} as evaluated
    where
        evaluated.schema_name = '{{ this.schema }}'
        and not exists (
            select from {{ relation }} as current where current.{{ key }} = evaluated.{{ key }}
        );
    insert into ops.segment_evaluated_{{ kind }} as evaluated (schema_name, {{ key }}, {{ value }})
    select
        '{{ this.schema }}',
        {{ key }},
        {{ value }}
    from {{ relation }}
    {%- if not this_run().is_full %}
    where {{ key }} in (select touched.{{ key }} from {{ ref('int_touched_' ~ kind) }} as touched)
    {%- endif %}
    on conflict (schema_name, {{ key }}) do update set {{ value }} = excluded.{{ value }}
    where evaluated.{{ value }} != excluded.{{ value }};
    {% endfor -%}
    {%- endif -%}
{%- endmacro %}

{% macro segment_remember_tests() -%}
    {#- In the transaction that writes the values: what is remembered and what is there never differ.
        The past is computed as a whole, and nothing is built on it. -#}
    {%- if execute and target.name != 'asof' -%}
    with
    tests as (
        select
            shop_id,
            md5(string_agg(signature::text, ' ' order by test_id))::uuid as signature
        from {{ ref('int_segment_event_tests') }}
        group by shop_id
    ),
    gone as (
        delete from ops.segment_evaluated_tests as evaluated
        where
            evaluated.schema_name = '{{ this.schema }}'
            and evaluated.shop_id not in (select tests.shop_id from tests)
    )
    insert into ops.segment_evaluated_tests as evaluated (schema_name, shop_id, signature)
    select
        '{{ this.schema }}',
        tests.shop_id,
        tests.signature
    from tests
    on conflict (schema_name, shop_id) do update set signature = excluded.signature
    where evaluated.signature != excluded.signature
    {%- endif -%}
{%- endmacro %}

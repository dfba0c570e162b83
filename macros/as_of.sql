{% macro as_of() -%}
    {%- if not execute -%}
        {{ return("timestamptz 'epoch'") }}
    {%- endif -%}
    {%- set given = var('as_of') -%}
    {%- if given is none -%}
        {%- if 'as_of' not in remembered() -%}
            {%- do remembered().update(as_of=run_query(
                "select to_char(max(snapshot_at) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
                ~ " from ops.sync_runs"
            ).columns[0].values()[0]) -%}
        {%- endif -%}
        {%- set given = remembered().as_of -%}
    {%- endif -%}
    {%- set iso = '^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?(Z|[+-]\d\d(:?\d\d)?)$' -%}
    {%- if given is none or not modules.re.match(iso, given | string) -%}
        {{ exceptions.raise_compiler_error(
            "as_of is " ~ given ~ ", which is not an instant with an offset."
            ~ " Give it as in --vars 'as_of: 2025-01-31T00:00:00Z'."
        ) }}
    {%- endif -%}
    timestamptz '{{ given }}'
{%- endmacro %}

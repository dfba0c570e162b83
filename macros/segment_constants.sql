{% macro segment_constants(localized) -%}
    {%- set duration = segment_interval('windows.value', 'windows.unit') -%}
    {%- set windows -%}
        unnest({{ localized }}.window_values, {{ localized }}.window_units)
        with ordinality as windows (value, unit, position)
    {%- endset -%}
    {{ localized }}.as_of,
    {{ localized }}.timezone,
    {{ localized }}.today,
    {{ localized }}.numbers,
    array(
        select lower(text_values.value)
        from unnest({{ localized }}.texts) with ordinality as text_values (value, position)
        order by text_values.position
    ) as texts,
    {{ localized }}.seeds,
    array(
        select coalesce(moments.instant, moments.local_time at time zone {{ localized }}.timezone)
        from
            unnest({{ localized }}.instants, {{ localized }}.local_times)
            with ordinality as moments (instant, local_time, position)
        order by moments.position
    ) as moments,
    array(
        select {{ segment_window_start('windows.value', 'windows.unit', localized) }}
        from {{ windows }}
        order by windows.position
    ) as window_starts,
    {#- The last instant of the window's last day: windows include both ends. #}
    array(
        select
            case windows.unit
                when 'hour' then {{ localized }}.as_of + {{ duration }}
                else {{ local_midnight(
                    '(' ~ localized ~ '.today + ' ~ duration ~ ')::date + 1',
                    localized ~ '.timezone'
                ) }} - interval '1 microsecond'
            end
        from {{ windows }}
        order by windows.position
    ) as window_ends,
    array(
        select ({{ localized }}.today + {{ duration }})::date
        from {{ windows }}
        order by windows.position
    ) as window_days
{%- endmacro %}

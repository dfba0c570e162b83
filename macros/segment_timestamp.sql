{% macro segment_timestamp(column) -%}
    {#- Beyond the four-digit years, adding a window or a time zone may leave the type. -#}
    case
        when {{ column }} >= '0001-01-02 00:00:00+00' and {{ column }} < '9999-12-31 00:00:00+00'
            then {{ column }}
    end
{%- endmacro %}

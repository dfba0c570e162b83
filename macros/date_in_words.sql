{% macro date_in_words(instant) -%}
    case
        when isfinite({{ instant }}) then to_char({{ instant }} at time zone 'UTC', 'YYYY-MM-DD')
        else {{ instant }}::text
    end
{%- endmacro %}

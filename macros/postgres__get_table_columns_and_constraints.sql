{#-
    Rows of marts are updated in place: with room on its page, a new version of a row needs no new
    entries in the table's indexes, and dirties no other page.
-#}
{% macro postgres__get_table_columns_and_constraints() -%}
    {{ default__get_table_columns_and_constraints() }} with (fillfactor = 90)
{%- endmacro %}

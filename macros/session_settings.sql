{% macro session_settings() -%}
    {#- Compiling costs more than it saves at these sizes, and no result may depend on the session. -#}
    set local jit = off;
    set local timezone = 'UTC'
{%- endmacro %}

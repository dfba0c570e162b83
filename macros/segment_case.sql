{% macro segment_case(shapes, expression) -%}
    {#- By halves: a row passes log2(n) comparisons on its way to the expression of its shape. -#}
    {%- if shapes | length == 1 -%}
        ({{ shapes[0][expression] }})
    {%- else -%}
        {%- set middle = shapes | length // 2 -%}
        case
            when parameters.shape_id < {{ shapes[middle].shape_id }}
                then {{ segment_case(shapes[:middle], expression) }}
            else {{ segment_case(shapes[middle:], expression) }}
        end
    {%- endif -%}
{%- endmacro %}

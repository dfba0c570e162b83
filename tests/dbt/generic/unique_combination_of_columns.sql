{% test unique_combination_of_columns(model, combination_of_columns) %}

select {{ combination_of_columns | join(', ') }}
from {{ model }}
where not {{ is_unique_by_index(combination_of_columns) }}
group by {{ combination_of_columns | join(', ') }}
having count(*) > 1

{% endtest %}

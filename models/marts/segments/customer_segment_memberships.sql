-- One row per stay of a customer in a segment. Without CTEs: PostgreSQL joins through a plain view.
select
    segment_id,
    shop_id,
    customer_id,
    added_at,
    removed_at,
    removed_at is null as is_active,
    qualification_reason,
    qualification_data
from {{ ref('segment_stays') }}

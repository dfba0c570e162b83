-- One row per profile that the application has: its shop, and whether the marts have it yet.
with

profiles as (

    select
        id as customer_id,
        shop_id,
        coalesce({{ clean_timestamp('created_at') }} <= {{ as_of() }}, true) as is_known
    from {{ source('raw', 'customer_loyalty_profiles') }}
    where _deleted_at is null

)

select
    shop_id,
    customer_id,
    is_known
from profiles

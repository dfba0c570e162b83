-- One row per profile that was ever mirrored: its shop, and whether the marts know it. Rows of a
-- profile that is gone still tell their shop.
with

profiles as (

    select
        id as customer_id,
        shop_id,
        _deleted_at is null
        and coalesce({{ clean_timestamp('created_at') }} <= {{ as_of() }}, true) as is_known
    from {{ source('raw', 'customer_loyalty_profiles') }}

)

select
    shop_id,
    customer_id,
    is_known
from profiles

-- One row per profile that the application has: its shop, and whether rows may refer to it yet.
with

profiles as (

    select
        id as customer_id,
        shop_id,
        -- Of the past: links and memberships do not tell since when they are there, so they are no
        -- orphans for being shown before their customers.
        {{ target.name == 'asof' }}
        or coalesce({{ clean_timestamp('created_at') }} <= {{ as_of() }}, true) as is_known
    from {{ source('raw', 'customer_loyalty_profiles') }}
    where _deleted_at is null

)

select
    shop_id,
    customer_id,
    is_known
from profiles

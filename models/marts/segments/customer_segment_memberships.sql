-- One row per stay of a customer in a segment.
with

stays as (

    select * from {{ ref('segment_stays') }}

),

final as (

    select
        segment_id,
        shop_id,
        customer_id,
        added_at,
        removed_at,
        removed_at is null as is_active,
        qualification_reason,
        qualification_data
    from stays

)

select * from final

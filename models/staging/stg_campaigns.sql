-- One row per campaign of a shop.
with

renamed as (

    select
        id as campaign_id,
        shop_id,
        name,
        description,
        campaign_type,
        {{ clean_timestamp('start_date') }} as starts_at,
        {{ clean_timestamp('end_date') }} as ends_at,
        rules,
        bonus_points,
        bonus_multiplier,
        target_all_customers,
        target_tier_ids,
        target_customer_ids,
        max_participants,
        {{ money('budget_limit') }} as budget_limit,
        current_participants,
        {{ money('current_spend') }} as current_spend,
        status,
        is_featured,
        {{ clean_timestamp('created_at') }} as created_at,
        {{ clean_timestamp('updated_at') }} as updated_at,
        created_by
    from {{ source('raw', 'campaigns') }}
    where _deleted_at is null

)

select * from renamed

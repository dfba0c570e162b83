-- One row per click on a referral link, without those dated after as_of.
with

renamed as (

    select
        id as referral_click_id,
        referral_link_id,
        ip_address,
        user_agent,
        referrer_url,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_content,
        converted and coalesce(
            {{ clean_timestamp('converted_at') }} <= {{ as_of() }}, true
        ) as is_converted,
        conversion_order_id,
        {{ money('conversion_amount') }} as conversion_amount,
        {{ clean_timestamp('clicked_at') }} as clicked_at,
        case
            when {{ clean_timestamp('converted_at') }} <= {{ as_of() }} then converted_at
        end as converted_at
    from {{ source('raw', 'referral_clicks') }}
    where _deleted_at is null

)

select * from renamed
where clicked_at <= {{ as_of() }} or clicked_at is null

{#- What a row may hold, by column; the macros row_is_faulty and row_faults say the rest. -#}
{%- set checked_links = {
    'rows': 'links',
    'table_name': 'referral_links',
    'times': ['expires_at', 'created_at', 'updated_at', 'last_used_at'],
    'ranges': {
        'referrer_points': '>= 0',
        'referee_points': '>= 0',
        'referrer_discount_percentage': 'money',
        'referee_discount_percentage': 'money',
        'total_revenue': 'money',
        'max_uses': '> 0',
        'current_uses': '>= 0',
    },
} -%}
{%- set checked_clicks = {
    'rows': 'clicks',
    'table_name': 'referral_clicks',
    'times': ['clicked_at', 'converted_at'],
    'ranges': {'conversion_amount': 'money'},
} -%}
{%- set checked_conversions = {
    'rows': 'conversions',
    'table_name': 'referral_conversions',
    'times': ['converted_at', 'processed_at'],
    'ranges': {
        'order_amount': 'money > 0',
        'referrer_discount_used': 'money',
        'referee_discount_used': 'money',
    },
    'enumerations': ['status'],
} -%}
-- One row per referral link and fault of the link, its clicks or its conversions: the first row
-- that has the fault, and how many have it. All of them in each run: where the link is gone, a
-- click is nobody's.
with

-- As the application wrote them: the staging views hide times that are looked for here.
links as (

    select
        links.id as referral_link_id,
        links.customer_id,
        links.referrer_points,
        links.referee_points,
        links.referrer_discount_percentage,
        links.referee_discount_percentage,
        links.total_revenue,
        links.max_uses,
        links.current_uses,
        links.expires_at,
        links.created_at,
        links.updated_at,
        links.last_used_at,
        customers.shop_id,
        coalesce(customers.is_known, false) as is_customer_known
    from {{ source('raw', 'referral_links') }} as links
    left join {{ ref('int_known_customers') }} as customers
        on links.customer_id = customers.customer_id
    where links._deleted_at is null

),

clicks as (

    select
        id as referral_click_id,
        referral_link_id,
        conversion_amount,
        clicked_at,
        converted_at
    from {{ source('raw', 'referral_clicks') }}
    where
        _deleted_at is null
        and coalesce({{ clean_timestamp('clicked_at') }} <= {{ as_of() }}, true)

),

conversions as (

    select
        id as referral_conversion_id,
        referral_link_id,
        referred_customer_id,
        order_amount,
        referrer_discount_used,
        referee_discount_used,
        status,
        converted_at,
        processed_at
    from {{ source('raw', 'referral_conversions') }}
    where
        _deleted_at is null
        and coalesce({{ clean_timestamp('converted_at') }} <= {{ as_of() }}, true)

),

faults as (

    select
        links.shop_id,
        links.referral_link_id,
        'referral_links' as relation,
        links.referral_link_id as row_id,
        faults.check_name,
        faults.subject,
        faults.detail
    from links
    cross join
        lateral (
            values
            (
                'missing_customer',
                links.customer_id::text,
                case
                    when
                        not links.is_customer_known
                        then 'there is no customer ' || links.customer_id
                end
            ),
            {{ row_faults(checked_links) }}
        ) as faults (check_name, subject, detail)
    where
        (not links.is_customer_known or {{ row_is_faulty(checked_links) }})
        and faults.detail is not null

    union all

    select
        links.shop_id,
        clicks.referral_link_id,
        'referral_clicks' as relation,
        clicks.referral_click_id as row_id,
        faults.check_name,
        faults.subject,
        faults.detail
    from clicks
    left join links
        on clicks.referral_link_id = links.referral_link_id
    cross join
        lateral (
            values
            (
                'missing_referral_link',
                clicks.referral_link_id::text,
                case
                    when links.referral_link_id is null
                        then 'there is no referral link ' || clicks.referral_link_id
                end
            ),
            {{ row_faults(checked_clicks) }}
        ) as faults (check_name, subject, detail)
    where
        (links.referral_link_id is null or {{ row_is_faulty(checked_clicks) }})
        and faults.detail is not null

    union all

    select
        coalesce(customers.shop_id, links.shop_id) as shop_id,
        conversions.referral_link_id,
        'referral_conversions' as relation,
        conversions.referral_conversion_id as row_id,
        faults.check_name,
        faults.subject,
        faults.detail
    from conversions
    left join links
        on conversions.referral_link_id = links.referral_link_id
    left join {{ ref('int_known_customers') }} as customers
        on conversions.referred_customer_id = customers.customer_id
    cross join
        lateral (
            values
            (
                'missing_referral_link',
                conversions.referral_link_id::text,
                case
                    when links.referral_link_id is null
                        then 'there is no referral link ' || conversions.referral_link_id
                end
            ),
            (
                'missing_customer',
                conversions.referred_customer_id::text,
                case
                    when not coalesce(customers.is_known, false)
                        then 'there is no customer ' || conversions.referred_customer_id
                end
            ),
            (
                'referral_link_of_another_shop',
                conversions.referral_link_id::text,
                case
                    when links.shop_id <> customers.shop_id
                        then
                            'referral link ' || links.referral_link_id
                            || ' is of shop ' || links.shop_id
                end
            ),
            {{ row_faults(checked_conversions) }}
        ) as faults (check_name, subject, detail)
    where
        (
            links.referral_link_id is null
            or not coalesce(customers.is_known, false)
            or links.shop_id <> customers.shop_id
            or {{ row_is_faulty(checked_conversions) }}
        )
        and faults.detail is not null

),

numbered_faults as (

    select
        *,
        row_number() over (
            partition by referral_link_id, relation, check_name, subject
            order by row_id
        ) as fault_no,
        count(*) over (partition by referral_link_id, relation, check_name, subject) as row_count
    from faults

)

select
    shop_id,
    relation,
    check_name,
    subject,
    row_id,
    row_count,
    detail
from numbered_faults
where fault_no = 1

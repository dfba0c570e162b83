{#- What a row may hold, by column; the macros row_is_faulty and row_faults say the rest. -#}
{%- set checked = {
    'rows': 'memberships',
    'table_name': 'customer_segment_memberships',
    'times': ['added_at', 'removed_at'],
} -%}
-- One row per segment and fault of the application's memberships: the first row that has the fault,
-- and how many have it.
with

-- As the application wrote them: the staging views hide times that are looked for here.
memberships as (

    select
        id as membership_id,
        segment_id,
        customer_id,
        added_at,
        removed_at
    from {{ source('raw', 'customer_segment_memberships') }}
    where _deleted_at is null

),

segments as (

    select
        segment_id,
        shop_id
    from {{ ref('stg_customer_segments') }}

),

customers as (

    select * from {{ ref('int_known_customers') }}

),

faults as (

    select
        coalesce(segments.shop_id, customers.shop_id) as shop_id,
        memberships.segment_id,
        memberships.membership_id,
        faults.check_name,
        faults.subject,
        faults.detail
    from memberships
    left join segments
        on memberships.segment_id = segments.segment_id
    left join customers
        on memberships.customer_id = customers.customer_id
    cross join
        lateral (
            values
            (
                'missing_segment',
                memberships.segment_id::text,
                case
                    when segments.segment_id is null
                        then 'there is no segment ' || memberships.segment_id
                end
            ),
            (
                'missing_customer',
                memberships.customer_id::text,
                case
                    when not coalesce(customers.is_known, false)
                        then 'there is no customer ' || memberships.customer_id
                end
            ),
            (
                'customer_of_another_shop',
                '',
                case
                    when segments.shop_id <> customers.shop_id
                        then
                            'customer ' || memberships.customer_id
                            || ' is of shop ' || customers.shop_id
                end
            ),
            {{ row_faults(checked) }}
        ) as faults (check_name, subject, detail)
    where
        (
            segments.segment_id is null
            or not coalesce(customers.is_known, false)
            or segments.shop_id <> customers.shop_id
            or {{ row_is_faulty(checked) }}
        )
        and faults.detail is not null

),

numbered_faults as (

    select
        *,
        row_number() over (
            partition by segment_id, check_name, subject
            order by membership_id
        ) as fault_no,
        count(*) over (partition by segment_id, check_name, subject) as row_count
    from faults

)

select
    shop_id,
    'customer_segment_memberships' as relation,
    check_name,
    subject,
    membership_id as row_id,
    row_count,
    detail
from numbered_faults
where fault_no = 1

{#- What a row may hold, by column; the macros row_is_faulty and row_faults say the rest. -#}
{%- set checked = {
    'rows': 'spans',
    'table_name': 'customer_tier_history',
    'times': ['achieved_at', 'expires_at', 'ended_at'],
    'ranges': {'spend_at_achievement': 'money'},
    'enumerations': ['reason'],
} -%}
-- One row per customer and fault of their tier history: the first row that has the fault, and how
-- many have it.
{{ config(
    materialized='incremental',
    incremental_strategy='reconcile',
    on_schema_change='append_new_columns',
    full_refresh=false,
    unique_key=['customer_id', 'relation', 'check_name', 'subject'],
    indexes=[{'columns': ['customer_id', 'relation', 'check_name', 'subject'], 'unique': true}],
    meta={'touched': 'customers'},
) }}

with

-- As the application wrote them: the staging views hide times that are looked for here.
history as (

    select
        id as tier_history_id,
        customer_id,
        tier_id,
        achieved_at,
        expires_at,
        ended_at,
        reason,
        spend_at_achievement,
        is_current,
        {{ clean_timestamp('achieved_at') }} as began_at,
        {{ clean_timestamp('ended_at') }} as ceased_at
    from {{ source('raw', 'customer_tier_history') }}
    where
        _deleted_at is null
        and coalesce({{ clean_timestamp('achieved_at') }} <= {{ as_of() }}, true)
        and customer_id is not null
        and {{ is_touched('customer_id') }}

),

customers as (

    select * from {{ ref('int_known_customers') }}
    where {{ is_touched('customer_id') }}

),

tiers as (

    select
        tier_id,
        shop_id
    from {{ ref('stg_tier_definitions') }}

),

profiles as (

    select
        shop_id,
        customer_id,
        current_tier_id
    from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched('customer_id') }}

),

open_spans as (

    select
        customer_id,
        tier_id
    from {{ ref('fct_tier_progressions') }}
    where
        is_current
        and {{ is_touched('customer_id') }}

),

spans as (

    select
        *,
        lead(began_at) over progression as next_began_at,
        -- The last span is open, unless it has ended.
        lead(tier_history_id) over progression is null
        and not coalesce(ceased_at <= {{ as_of() }}, false) as is_open,
        count(*) filter (where is_current) over (partition by customer_id) as current_spans
    from history
    window progression as (
        partition by customer_id
        order by began_at asc nulls first, tier_history_id asc
    )

),

faults_of_spans as (

    select
        coalesce(customers.shop_id, tiers.shop_id) as shop_id,
        spans.customer_id,
        spans.tier_history_id,
        faults.check_name,
        faults.subject,
        faults.detail
    from spans
    left join customers
        on spans.customer_id = customers.customer_id
    left join tiers
        on spans.tier_id = tiers.tier_id
    cross join
        lateral (
            values
            (
                'missing_customer',
                spans.customer_id::text,
                case
                    when not coalesce(customers.is_known, false)
                        then 'there is no customer ' || spans.customer_id
                end
            ),
            (
                'missing_tier',
                spans.tier_id::text,
                case
                    when spans.tier_id is not null and tiers.tier_id is null
                        then 'there is no tier ' || spans.tier_id
                end
            ),
            (
                'tier_of_another_shop',
                spans.tier_id::text,
                case
                    when tiers.shop_id <> customers.shop_id
                        then 'tier ' || tiers.tier_id || ' is of shop ' || tiers.shop_id
                end
            ),
            (
                'ends_before_it_begins',
                '',
                case
                    when spans.ceased_at < spans.began_at
                        then
                            'from ' || {{ date_in_words('spans.began_at') }}
                            || ' to ' || {{ date_in_words('spans.ceased_at') }}
                end
            ),
            -- Without an end a span lasts, unless it is said not to be the current one.
            (
                'overlapping_spans',
                '',
                case
                    when
                        spans.ceased_at > spans.next_began_at
                        or (
                            spans.next_began_at is not null
                            and spans.ceased_at is null
                            and coalesce(spans.is_current, true)
                        )
                        then
                            'to ' || coalesce({{ date_in_words('spans.ceased_at') }}, 'no end')
                            || ', the next one from ' || {{ date_in_words('spans.next_began_at') }}
                end
            ),
            {%- if target.name != 'asof' %}
            -- is_current is that of the present.
            (
                'several_current_spans',
                '',
                case
                    when spans.is_current and spans.current_spans > 1
                        then spans.current_spans || ' spans of the customer are is_current'
                end
            ),
            (
                'wrong_is_current',
                '',
                case
                    when spans.is_current and not spans.is_open
                        then 'is_current, though over'
                    when not spans.is_current and spans.is_open
                        then 'not is_current, though the last one and without an end'
                end
            ),
            {%- endif %}
            {{ row_faults(checked) }}
        ) as faults (check_name, subject, detail)
    -- Nearly all rows are good, and leave here.
    where
        (
            not coalesce(customers.is_known, false)
            or tiers.tier_id is null
            or tiers.shop_id <> customers.shop_id
            or spans.ceased_at < spans.began_at
            or spans.ceased_at > spans.next_began_at
            or (spans.ceased_at is null and spans.next_began_at is not null)
            or spans.is_current <> spans.is_open
            or (spans.is_current and spans.current_spans > 1)
            or {{ row_is_faulty(checked) }}
        )
        and faults.detail is not null

),

numbered_faults as (

    select
        *,
        row_number() over (
            partition by customer_id, check_name, subject
            order by tier_history_id
        ) as fault_no,
        count(*) over (partition by customer_id, check_name, subject) as row_count
    from faults_of_spans

),

mismatches as (

    select
        profiles.shop_id,
        profiles.customer_id,
        coalesce('profile of tier ' || profiles.current_tier_id, 'profile without a tier')
        || coalesce(', history in tier ' || open_spans.tier_id, ', history without an open span')
            as detail
    from profiles
    left join open_spans
        on profiles.customer_id = open_spans.customer_id
    where
        profiles.current_tier_id is distinct from open_spans.tier_id
        -- The profile's tier is the present one.
        and {{ target.name != 'asof' }}

),

findings as (

    select
        shop_id,
        customer_id,
        'customer_tier_history' as relation,
        check_name,
        subject,
        tier_history_id as row_id,
        row_count,
        detail
    from numbered_faults
    where fault_no = 1

    union all

    select
        shop_id,
        customer_id,
        'customer_loyalty_profiles' as relation,
        'tier_mismatch' as check_name,
        '' as subject,
        customer_id as row_id,
        1 as row_count,
        detail
    from mismatches

)

select
    shop_id,
    customer_id,
    relation,
    check_name,
    subject,
    row_id,
    row_count,
    detail
from findings

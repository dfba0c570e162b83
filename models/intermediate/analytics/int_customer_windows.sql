-- One row per customer, measure and stretch of local days on which the measure counts the customer.
-- An event opens a window of days; windows that meet are one stretch. Counting whom a trailing
-- window holds is then +1 where a stretch begins and -1 where it ends, never day by customer.
{{ config(
    materialized='incremental',
    incremental_strategy='reconcile',
    on_schema_change='append_new_columns',
    full_refresh=false,
    unique_key=['customer_id', 'measure', 'begins_on'],
    indexes=[{'columns': ['customer_id', 'measure', 'begins_on'], 'unique': true}],
    meta={'touched': 'customers'},
) }}

with

customer_days as (

    select
        shop_id,
        customer_id,
        occurred_on,
        is_active,
        -- Nobody is a member before the day of enrolment; whoever enrolled undated always was.
        max(occurred_on) filter (where new_customers > 0) over (
            partition by customer_id
        ) as enrolled_on
    from {{ ref('int_customer_days') }}
    where {{ is_touched('customer_id') }}

),

order_days as (

    select
        shop_id,
        customer_id,
        occurred_on as ordered_on,
        orders
    from {{ ref('int_customer_day_totals') }}
    where
        orders > 0
        and occurred_on > '-infinity'
        and {{ is_touched('customer_id') }}

),

order_days_in_sequence as (

    select
        shop_id,
        customer_id,
        ordered_on,
        -- The day of the order before the day's last one.
        case
            when orders > 1 then ordered_on
            else lag(ordered_on) over (partition by customer_id order by ordered_on)
        end as previous_on
    from order_days

),

-- Measures are numbers here, which sort faster than their names.
windows as (

    select
        shop_id,
        customer_id,
        1 as measure_no,
        greatest(occurred_on, enrolled_on) as begins_on,
        occurred_on + 365 as ends_on
    from customer_days
    where is_active

    union all

    select
        order_days.shop_id,
        order_days.customer_id,
        measure.measure_no,
        order_days.ordered_on as begins_on,
        -- Two orders are in a window from the later one on, until it leaves the earlier one behind.
        case measure.measure_no when 2 then order_days.ordered_on else order_days.previous_on end
        + 90 as ends_on
    from order_days_in_sequence as order_days
    cross join (values (2), (3)) as measure (measure_no)

),

-- Windows of a measure that begin later never end earlier: its neighbours tell whether a window
-- begins a stretch, and whether it ends one.
windows_in_sequence as (

    select
        shop_id,
        customer_id,
        measure_no,
        begins_on,
        ends_on,
        coalesce(begins_on > lag(ends_on) over customer_windows, true) as is_first,
        coalesce(ends_on < lead(begins_on) over customer_windows, true) as is_last
    from windows
    where begins_on < ends_on
    window
        customer_windows as (
            partition by customer_id, measure_no
            order by begins_on, ends_on
        )

),

stretches as (

    select
        shop_id,
        customer_id,
        measure_no,
        begins_on,
        is_first,
        case
            when is_last then ends_on
            else
                lead(ends_on) over (
                    partition by customer_id, measure_no
                    order by begins_on, ends_on
                )
        end as ends_on
    from windows_in_sequence
    where is_first or is_last

)

select
    shop_id,
    customer_id,
    case measure_no
        when 1 then 'active_members'
        when 2 then 'buyers'
        when 3 then 'repeat_buyers'
    end as measure,
    begins_on,
    ends_on
from stretches
where is_first

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

shops as (

    select
        shop_id,
        timezone
    from {{ ref('int_shops') }}

),

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

orders as (

    select
        shop_id,
        customer_id,
        ordered_at
    from {{ ref('fct_orders') }}
    where
        ordered_at is not null
        and {{ is_touched('customer_id') }}

),

order_days as (

    select
        orders.shop_id,
        orders.customer_id,
        {{ local_date('orders.ordered_at', 'shops.timezone') }} as ordered_on,
        count(*) as orders
    from orders
    inner join shops
        on orders.shop_id = shops.shop_id
    group by orders.customer_id, ordered_on, orders.shop_id

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

windows as (

    select
        shop_id,
        customer_id,
        'active_members' as measure,
        greatest(occurred_on, enrolled_on) as begins_on,
        max(occurred_on) + 365 as ends_on
    from customer_days
    where is_active
    group by customer_id, begins_on, shop_id

    union all

    select
        order_days.shop_id,
        order_days.customer_id,
        measure.measure,
        order_days.ordered_on as begins_on,
        -- Two orders are in a window from the later one on, until it leaves the earlier one behind.
        case measure.measure
            when 'buyers' then order_days.ordered_on
            when 'repeat_buyers' then order_days.previous_on
        end + 90 as ends_on
    from order_days_in_sequence as order_days
    cross join (values ('buyers'), ('repeat_buyers')) as measure (measure)

),

-- Windows of a measure that begin later never end earlier: the one before tells all.
windows_in_sequence as (

    select
        shop_id,
        customer_id,
        measure,
        begins_on,
        ends_on,
        coalesce(begins_on > lag(ends_on) over customer_windows, true) as is_first
    from windows
    where begins_on < ends_on
    window customer_windows as (partition by customer_id, measure order by begins_on)

),

numbered_windows as (

    select
        shop_id,
        customer_id,
        measure,
        begins_on,
        ends_on,
        count(*) filter (where is_first) over (
            partition by customer_id, measure
            order by begins_on
        ) as stretch_no
    from windows_in_sequence

)

select
    shop_id,
    customer_id,
    measure,
    min(begins_on) as begins_on,
    max(ends_on) as ends_on
from numbered_windows
group by customer_id, measure, stretch_no, shop_id

-- One row per shop, month of enrolment and month since, from the month of enrolment to that of
-- as_of, also where nobody of the cohort was active.
{{ config(
    unique_key=['shop_id', 'cohort_month', 'months_since'],
    indexes=[{'columns': ['shop_id', 'cohort_month', 'months_since'], 'unique': true}],
    meta={'touched': 'shops'},
) }}

with

shops as (

    select
        shop_id,
        timezone,
        {{ local_date(as_of(), 'timezone') }} as last_on
    from {{ ref('int_shops') }}
    where {{ is_touched_shop('shop_id') }}

),

customers as (

    select
        customer_id,
        shop_id,
        created_at
    from {{ ref('stg_customer_loyalty_profiles') }}
    where
        created_at is not null
        and {{ is_touched_shop('shop_id') }}

),

active_months as (

    select
        customer_id,
        {{ period_start('occurred_on', "'monthly'") }} as active_month
    from {{ ref('int_customer_days') }}
    where
        is_first_in_month
        and {{ is_touched_shop('shop_id') }}

),

members as (

    select
        customers.shop_id,
        customers.customer_id,
        {{ period_start(local_date('customers.created_at', 'shops.timezone'), "'monthly'") }}
            as cohort_month
    from customers
    inner join shops
        on customers.shop_id = shops.shop_id

),

cohorts as (

    select
        shop_id,
        cohort_month,
        count(*) as customers
    from members
    group by shop_id, cohort_month

),

-- Activity before the month of enrolment finds no month to be counted in.
activity as (

    select
        members.shop_id,
        members.cohort_month,
        active_months.active_month,
        count(*) as active_customers
    from members
    inner join active_months
        on members.customer_id = active_months.customer_id
    group by members.shop_id, members.cohort_month, active_months.active_month

),

months as (

    select
        cohorts.shop_id,
        cohorts.cohort_month,
        cohorts.customers,
        (month.month_no - 1)::integer as months_since,
        month.month::date as month,
        shops.last_on
    from cohorts
    inner join shops
        on cohorts.shop_id = shops.shop_id
    cross join lateral generate_series(
        cohorts.cohort_month::timestamp, shops.last_on::timestamp, interval '1 month'
    ) with ordinality as month (month, month_no)

)

select
    months.shop_id,
    months.cohort_month,
    months.months_since,
    months.month,
    {{ period_end('months.month', "'monthly'") }} <= months.last_on as is_complete,
    months.customers,
    coalesce(activity.active_customers, 0) as active_customers,
    round(
        coalesce(activity.active_customers, 0)::numeric / months.customers, 6
    )::numeric(9, 6) as retention
from months
left join activity
    on
        months.shop_id = activity.shop_id
        and months.cohort_month = activity.cohort_month
        and months.month = activity.active_month

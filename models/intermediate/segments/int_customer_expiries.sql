-- One row per customer with points that will lapse unless they are spent: when the next ones do,
-- and how many soon.
{{ config(
    materialized='incremental',
    incremental_strategy='reconcile',
    on_schema_change='append_new_columns',
    full_refresh=false,
    unique_key=['customer_id'],
    indexes=[{'columns': ['customer_id'], 'unique': true}],
    meta={'touched': 'expiries'},
) }}

with

lots as (

    select
        shop_id,
        customer_id,
        expires_at,
        points_remaining
    from {{ ref('fct_point_lots') }}
    where
        points_remaining > 0
        and expires_at > {{ as_of() }}
        and {{ is_touched('customer_id', 'expiries') }}

),

horizons as (

    select
        shop_id,
        {{ local_midnight(
            '(' ~ local_date(as_of(), 'timezone') ~ ' + 31)', 'timezone'
        ) }} as ends_at
    from {{ ref('int_shops') }}

)

select
    lots.shop_id,
    lots.customer_id,
    min(lots.expires_at) as next_expiry_at,
    coalesce(
        sum(lots.points_remaining) filter (where lots.expires_at < horizons.ends_at), 0
    )::bigint as points_expiring_30d
from lots
inner join horizons on lots.shop_id = horizons.shop_id
group by lots.customer_id, lots.shop_id

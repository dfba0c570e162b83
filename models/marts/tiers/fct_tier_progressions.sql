-- One row per span in which a customer held a tier.
{{ config(
    unique_key=['customer_id', 'tier_history_id'],
    indexes=[{'columns': ['customer_id', 'tier_history_id'], 'unique': true}],
    meta={'touched': 'customers'},
) }}

with

history as (

    select * from {{ ref('stg_customer_tier_history') }}
    where {{ is_touched('customer_id') }}

),

customers as (

    select * from {{ ref('stg_customer_loyalty_profiles') }}

),

tiers as (

    select * from {{ ref('int_tiers') }}

),

entries as (

    select
        customers.shop_id,
        history.customer_id,
        history.tier_history_id,
        history.tier_id,
        tiers.tier_level,
        history.reason,
        history.achieved_at,
        history.ended_at,
        history.is_current
    from history
    inner join customers on customers.customer_id = history.customer_id
    left join tiers on tiers.tier_id = history.tier_id

),

spans as (

    select
        *,
        row_number() over progression as span_no,
        lag(tier_id) over progression as from_tier_id,
        lag(tier_level) over progression as from_tier_level,
        -- A next entry without a time began ever ago too: the warehouse's time starts in 2000.
        lead(coalesce(achieved_at, '2000-01-01 00:00:00+00')) over progression as next_achieved_at
    from entries
    window progression as (
        partition by customer_id
        order by achieved_at asc nulls first, tier_history_id asc
    )

)

select
    shop_id,
    customer_id,
    tier_history_id,
    span_no,
    tier_id,
    from_tier_id,
    tier_level,
    from_tier_level,
    case
        when span_no = 1 then 'initial'
        when tier_level > from_tier_level then 'upgrade'
        when tier_level < from_tier_level then 'downgrade'
        when tier_level = from_tier_level or tier_id = from_tier_id then 'renewal'
    end as direction,
    reason,
    achieved_at as valid_from,
    least(ended_at, next_achieved_at) as valid_to,
    least(ended_at, next_achieved_at) is null as is_current,
    is_current as recorded_is_current
from spans

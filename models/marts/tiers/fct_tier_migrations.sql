-- One row per shop, local month, and states at the month's start and end that some customer went
-- through. A span is counted where it begins and where it ends, and running sums carry on those who
-- stay: the work grows with spans plus months, not with their product.
{{ config(
    unique_key=['shop_id', 'month', 'from_state', 'to_state'],
    indexes=[{'columns': ['shop_id', 'month', 'from_state', 'to_state'], 'unique': true}],
    meta={'touched': 'shops'},
) }}

with

shops as (

    select
        shop_id,
        timezone
    from {{ ref('int_shops') }}

),

months as (

    select
        shop_id,
        date as month,
        is_complete
    from {{ ref('loyalty_analytics') }}
    where
        period_type = 'monthly'
        and {{ is_touched_shop('shop_id') }}

),

progressions as (

    select
        shop_id,
        customer_id,
        span_no,
        tier_id,
        valid_from,
        valid_to
    from {{ ref('fct_tier_progressions') }}
    where
        tier_id is not null
        -- A span may be empty: the next one came at the same instant, or its end before its start.
        and (valid_to is null or coalesce(valid_from, '2000-01-01 00:00:00+00') < valid_to)
        and {{ is_touched_shop('shop_id') }}

),

spans as (

    select
        progressions.shop_id,
        progressions.customer_id,
        progressions.span_no,
        progressions.tier_id,
        {{ local_date('progressions.valid_from', 'shops.timezone') }} as begins_on,
        {{ local_date('progressions.valid_to', 'shops.timezone') }} as ends_on
    from progressions
    inner join shops
        on progressions.shop_id = shops.shop_id

),

-- A span holds at the starts of the months after its first one, up to its last one. One that begins
-- and ends in the same month holds at none: it is passing.
spans_by_month as (

    select
        shop_id,
        customer_id,
        span_no,
        tier_id,
        {{ period_start('begins_on', "'monthly'") }} as first_month,
        {{ period_start('ends_on', "'monthly'") }} as last_month,
        coalesce(
            {{ period_start('begins_on', "'monthly'") }}
            = {{ period_start('ends_on', "'monthly'") }},
            false
        ) as is_passing
    from spans

),

neighbours as (

    select
        *,
        max(last_month) filter (where not is_passing) over (
            partition by customer_id
            order by span_no
            rows between unbounded preceding and 1 preceding
        ) as held_until,
        lead(first_month) over progression as next_first_month,
        lead(first_month) over turns as next_held_from,
        lead(tier_id) over turns as next_held_tier_id
    from spans_by_month
    window
        progression as (partition by customer_id order by span_no),
        turns as (partition by customer_id, is_passing order by span_no)

),

-- Alike spans of a shop, counted: what follows works on these few.
counted_spans as (

    select
        shop_id,
        tier_id,
        is_passing,
        first_month,
        last_month,
        -- No tier at the start of the first month.
        coalesce(first_month > held_until, first_month is not null) as is_new,
        -- No tier at the end of the last month, nor a later span in it.
        coalesce(last_month < next_first_month, true) as is_last,
        case when last_month = next_held_from then next_held_tier_id end as to_tier_id,
        count(*) as customers
    from neighbours
    group by shop_id, tier_id, is_passing, first_month, last_month, is_new, is_last, to_tier_id

),

tiers as (

    select distinct
        shop_id,
        tier_id
    from counted_spans

),

changes as (

    -- Out of one tier, into another or none.
    select
        shop_id,
        tier_id as from_tier_id,
        to_tier_id,
        last_month as month,
        customers as moved,
        0 as staying
    from counted_spans
    where not is_passing and last_month is not null

    union all

    -- Into a tier, out of none.
    select
        shop_id,
        null as from_tier_id,
        tier_id as to_tier_id,
        first_month as month,
        customers as moved,
        0 as staying
    from counted_spans
    where not is_passing and is_new

    union all

    -- Into a tier and out again within the month.
    select
        shop_id,
        null as from_tier_id,
        null as to_tier_id,
        first_month as month,
        customers as moved,
        0 as staying
    from counted_spans
    where is_passing and is_new and is_last

    union all

    -- From the month after its first one until its last one a span stays; a NULL month is ever ago.
    select
        shop_id,
        tier_id as from_tier_id,
        tier_id as to_tier_id,
        (first_month + interval '1 month')::date as month,
        0 as moved,
        customers as staying
    from counted_spans
    where not is_passing

    union all

    select
        shop_id,
        tier_id as from_tier_id,
        tier_id as to_tier_id,
        last_month as month,
        0 as moved,
        -customers as staying
    from counted_spans
    where not is_passing and last_month is not null

    union all

    -- Months in which none begins or ends.
    select
        months.shop_id,
        tiers.tier_id as from_tier_id,
        tiers.tier_id as to_tier_id,
        months.month,
        0 as moved,
        0 as staying
    from months
    inner join tiers
        on months.shop_id = tiers.shop_id

),

migrations as (

    select
        shop_id,
        month,
        from_tier_id,
        to_tier_id,
        sum(moved) + sum(sum(staying)) over (
            partition by shop_id, from_tier_id, to_tier_id
            order by month asc nulls first
            rows between unbounded preceding and current row
        ) as customers
    from changes
    group by shop_id, month, from_tier_id, to_tier_id

)

select
    migrations.shop_id,
    migrations.month,
    coalesce(migrations.from_tier_id::text, 'new') as from_state,
    coalesce(migrations.to_tier_id::text, 'left') as to_state,
    migrations.from_tier_id,
    migrations.to_tier_id,
    migrations.customers::bigint as customers,
    (
        migrations.customers / sum(migrations.customers) over (
            partition by migrations.shop_id, migrations.month, migrations.from_tier_id
        )
    )::numeric(9, 6) as share,
    months.is_complete
from migrations
inner join months
    on
        migrations.shop_id = months.shop_id
        and migrations.month = months.month
where migrations.customers > 0

-- One row per customer: the tier held, the tier that the customer's recent points, spend and orders
-- are worth, and what is missing to the next one. For the present only: profiles have no past.
-- Passing time touches standings too: what leaves a window counts no more.
{{ config(
    unique_key=['customer_id'],
    indexes=[
        {'columns': ['customer_id'], 'unique': true},
        {'columns': ['shop_id', 'current_tier_id']},
    ],
    meta={'touched': 'standings'},
) }}

with

customers as (

    select
        customer_id,
        shop_id,
        current_tier_id
    from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched('customer_id', 'standings') }}

),

-- Every reference to the shops' ladders has its own name: a query that reads one twice would not be
-- sent to where the customers are.
held_rungs as (

    select
        shop_id,
        tier_id,
        rung
    from {{ ref('int_tier_rungs') }}

),

rungs as (

    select * from {{ ref('int_tier_rungs') }}

),

standing_windows as (

    select
        shop_id,
        rung,
        standing_window_no
    from {{ ref('int_tier_rungs') }}

),

own_rungs as (

    select * from {{ ref('int_tier_rungs') }}

),

eligible_rungs as (

    select
        shop_id,
        rung,
        tier_id,
        tier_level
    from {{ ref('int_tier_rungs') }}

),

shop_windows as (

    select
        shop_id,
        window_no
    from {{ ref('int_tier_windows') }}

),

windows as (

    select
        shop_id,
        window_no,
        starts_at,
        next_starts_at
    from {{ ref('int_tier_windows') }}

),

current_spans as (

    select
        customer_id,
        tier_id
    from {{ ref('fct_tier_progressions') }}
    where
        is_current
        and {{ is_touched('customer_id', 'standings') }}

),

happenings as (

    select
        shop_id,
        customer_id,
        -- What has no time lies in a lifetime's window alone.
        coalesce(occurred_at, '-infinity') as happened_at,
        points_amount as points,
        0 as spend,
        0 as orders
    from {{ ref('fct_point_ledger') }}
    where
        transaction_type in ('earned', 'bonus')
        and {{ is_touched('customer_id', 'standings') }}

    union all

    select
        shop_id,
        customer_id,
        coalesce(ordered_at, '-infinity') as happened_at,
        0 as points,
        coalesce(amount, 0) as spend,
        1 as orders
    from {{ ref('fct_orders') }}
    where {{ is_touched('customer_id', 'standings') }}

),

-- Each happening, in the shortest window that holds it.
counts as (

    select
        happenings.customer_id,
        windows.window_no,
        happenings.points,
        happenings.spend,
        happenings.orders,
        null::bigint as current_tier_id,
        null::bigint as shop_id,
        null::bigint as rung
    from happenings
    inner join windows
        on
            happenings.shop_id = windows.shop_id
            and happenings.happened_at >= windows.starts_at
            and happenings.happened_at < windows.next_starts_at

    union all

    -- Every customer has every window of the shop, also those in which nothing happened, and one
    -- row where the shop has no tiers.
    select
        customers.customer_id,
        shop_windows.window_no,
        0 as points,
        0 as spend,
        0 as orders,
        customers.current_tier_id,
        customers.shop_id,
        -- A tier that the shop does not have is none.
        coalesce(held_rungs.rung, 0) as rung
    from customers
    left join shop_windows
        on customers.shop_id = shop_windows.shop_id
    left join held_rungs
        on
            customers.current_tier_id = held_rungs.tier_id
            and customers.shop_id = held_rungs.shop_id

),

-- One row per customer and window: a window holds what the shorter ones hold.
customer_windows as (

    select
        customer_id,
        window_no,
        max(shop_id) as shop_id,
        max(current_tier_id) as current_tier_id,
        max(rung) as rung,
        sum(sum(points)) over shorter_windows as points,
        sum(sum(spend)) over shorter_windows as spend,
        sum(sum(orders)) over shorter_windows as orders
    from counts
    group by customer_id, window_no
    window shorter_windows as (
        partition by customer_id
        order by window_no desc
        rows between unbounded preceding and current row
    )

),

customer_rungs as (

    select
        customer_windows.customer_id,
        customer_windows.shop_id,
        customer_windows.current_tier_id,
        customer_windows.rung,
        max(rungs.rung) filter (
            where rungs.is_reachable
            -- A minimum of 0 is none: corrections may leave fewer points than that.
            and (rungs.required_points = 0 or customer_windows.points >= rungs.required_points)
            and customer_windows.spend >= rungs.required_spend
            and customer_windows.orders >= rungs.required_orders
        ) as eligible_rung,
        max(customer_windows.points) filter (
            where customer_windows.window_no = standing_windows.standing_window_no
        ) as points,
        max(customer_windows.spend) filter (
            where customer_windows.window_no = standing_windows.standing_window_no
        ) as spend,
        max(customer_windows.orders) filter (
            where customer_windows.window_no = standing_windows.standing_window_no
        ) as orders
    from customer_windows
    left join rungs
        on
            customer_windows.shop_id = rungs.shop_id
            and customer_windows.window_no = rungs.window_no
    left join standing_windows
        on
            customer_windows.shop_id = standing_windows.shop_id
            and customer_windows.rung = standing_windows.rung
    group by
        customer_windows.customer_id,
        customer_windows.shop_id,
        customer_windows.current_tier_id,
        customer_windows.rung

)

select
    customer_rungs.shop_id,
    customer_rungs.customer_id,
    customer_rungs.current_tier_id,
    eligible_rungs.tier_id as eligible_tier_id,
    own_rungs.next_tier_id,
    current_spans.tier_id as history_tier_id,
    customer_rungs.points::bigint as qualifying_points,
    {{ money('customer_rungs.spend') }} as qualifying_spend,
    customer_rungs.orders::bigint as qualifying_orders,
    case
        when own_rungs.next_required_points = 0 then 0
        when own_rungs.next_required_points > 0
            then greatest(own_rungs.next_required_points - customer_rungs.points, 0)
    end::bigint as points_to_next,
    -- Of NULL and 0, greatest gives 0.
    {{ money(
        'case when own_rungs.next_tier_id is not null'
        ' then greatest(own_rungs.next_required_spend - customer_rungs.spend, 0) end'
    ) }} as spend_to_next,
    case
        when own_rungs.next_tier_id is not null
            then greatest(own_rungs.next_required_orders - customer_rungs.orders, 0)
    end::bigint as orders_to_next,
    coalesce(
        own_rungs.requires_maintenance
        and (
            eligible_rungs.tier_level < own_rungs.tier_level
            or (eligible_rungs.tier_id is null and own_rungs.tier_level is not null)
        ),
        false
    ) as is_at_risk,
    coalesce(
        customer_rungs.current_tier_id != current_spans.tier_id,
        coalesce(customer_rungs.current_tier_id, current_spans.tier_id) is not null
    ) as is_mismatched
from customer_rungs
left join own_rungs
    on
        customer_rungs.shop_id = own_rungs.shop_id
        and customer_rungs.rung = own_rungs.rung
left join eligible_rungs
    on
        customer_rungs.shop_id = eligible_rungs.shop_id
        and customer_rungs.eligible_rung = eligible_rungs.rung
left join current_spans
    on customer_rungs.customer_id = current_spans.customer_id

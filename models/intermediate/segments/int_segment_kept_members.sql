-- One row per shop and customer who is or was in a segment that a rule of the shop names, as far as
-- its members are kept and not computed: which of the shop's reference tests hold.
with

evaluation as (

    select {{ as_of() }} as as_of

),

tests as (

    select * from {{ source('ops', 'segment_reference_tests') }}

),

rules as (

    select
        segment_id,
        rule_status
    from {{ ref('int_segment_rules') }}

),

shops as (

    select * from {{ ref('int_shops') }}

),

application_members as (

    select * from {{ ref('int_segment_application_members') }}

),

localized as (

    select
        tests.shop_id,
        tests.test_id,
        tests.segment_id,
        tests.is_current,
        tests.window_values[1] as window_value,
        tests.window_units[1] as window_unit,
        rules.rule_status = 'manual' as is_manual,
        evaluation.as_of,
        shops.timezone,
        {{ local_date('evaluation.as_of', 'shops.timezone') }} as today
    from tests
    inner join rules on tests.segment_id = rules.segment_id
    inner join shops on tests.shop_id = shops.shop_id
    cross join evaluation

),

-- Materialized: of members only those of these few segments are read.
resolved as materialized (

    select
        localized.shop_id,
        localized.test_id,
        localized.segment_id,
        localized.is_current,
        localized.is_manual,
        {{ segment_window_start('localized.window_value', 'localized.window_unit', 'localized') }}
            as starts_at
    from localized

),

recorded as (

    select distinct
        segment_id,
        customer_id
    from {{ segment_kept_stays() }}
    where segment_id in (select resolved.segment_id from resolved)

),

-- Stays, and the application's own members: of one without a stay, segment_stays opens it in this
-- build.
kept as (

    select
        segment_id,
        shop_id,
        customer_id,
        removed_at,
        false as is_of_application,
        true as is_recorded
    from {{ segment_kept_stays() }}
    where segment_id in (select resolved.segment_id from resolved)
    union all
    select
        application_members.segment_id,
        application_members.shop_id,
        application_members.customer_id,
        null::timestamptz as removed_at,
        true as is_of_application,
        recorded.customer_id is not null as is_recorded
    from application_members
    left join recorded
        on
            application_members.segment_id = recorded.segment_id
            and application_members.customer_id = recorded.customer_id
    where application_members.segment_id in (select resolved.segment_id from resolved)

),

holding as (

    select
        resolved.shop_id,
        resolved.test_id,
        kept.customer_id
    from resolved
    inner join kept
        on
            resolved.segment_id = kept.segment_id
            and resolved.shop_id = kept.shop_id
    where
        case
            -- A manual segment's present members are these, whatever stays are open.
            when kept.is_of_application
                then not kept.is_recorded or (resolved.is_current and resolved.is_manual)
            when resolved.is_current and not resolved.is_manual and kept.removed_at is null
                then true
            -- The instant of leaving counts, so that building twice at one as_of says the same.
            else coalesce(kept.removed_at, 'infinity') >= resolved.starts_at
        end

)

select
    shop_id,
    customer_id,
    array_agg(distinct test_id order by test_id) as tests
from holding
group by shop_id, customer_id

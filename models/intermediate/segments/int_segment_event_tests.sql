-- One row per shop and event test that can be evaluated: its constants, the times resolved against
-- as_of and the shop's time zone.
with

evaluation as (

    select {{ as_of() }} as as_of

),

tests as (

    select * from {{ source('ops', 'segment_event_tests') }}

),

plan as (

    select * from {{ source('ops', 'segment_event_plan') }}

),

shops as (

    select * from {{ ref('int_shops') }}

),

event_columns as (

    {% for event, relation in segment_events().items() %}
    select
        '{{ event }}' as event,
        attributes.attname::text as name
    from pg_attribute as attributes
    where
        attributes.attrelid = '{{ relation }}'::regclass
        and not attributes.attisdropped
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

-- A plan may be older than the events: shapes of columns that are gone wait for the next plan.
evaluable as (

    select
        plan.shape_id,
        plan.event,
        -- Events are not dated after as_of; what else compares with it changes with it.
        strpos(
            replace(plan.predicate, 'events.occurred_at <= parameters.as_of', ''),
            'parameters.as_of'
        ) > 0 as reads_as_of
    from plan
    where
        plan.fields <@ array(
            select event_columns.name
            from event_columns
            where event_columns.event = plan.event
        )

),

localized as (

    select
        tests.*,
        evaluable.event,
        evaluable.reads_as_of,
        evaluation.as_of,
        shops.timezone,
        {{ local_date('evaluation.as_of', 'shops.timezone') }} as today
    from tests
    inner join evaluable on tests.shape_id = evaluable.shape_id
    inner join shops on tests.shop_id = shops.shop_id
    cross join evaluation

),

final as (

    select
        localized.shop_id,
        localized.test_id,
        localized.event,
        localized.shape_id,
        localized.aggregate,
        localized.reads_as_of,
        {{ segment_constants('localized') }}
    from localized

)

-- What a test says of a customer changes with this or with the customer's events.
select
    shop_id,
    test_id,
    event,
    shape_id,
    aggregate,
    as_of,
    timezone,
    today,
    numbers,
    texts,
    seeds,
    moments,
    window_starts,
    window_ends,
    window_days,
    md5(row(
        shape_id, aggregate, timezone, numbers, texts, seeds, moments,
        window_starts, window_ends, window_days,
        case when aggregate in ('days_since_first', 'days_since_last') then today end,
        case when reads_as_of then as_of end
    )::text)::uuid as signature
from final

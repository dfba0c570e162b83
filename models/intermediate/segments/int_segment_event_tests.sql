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
        plan.event
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
        {{ segment_constants('localized') }}
    from localized

)

select * from final

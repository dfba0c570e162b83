-- One row per rule that can be evaluated: its constants, the times resolved against as_of and the
-- shop's time zone, and the tests of its shop that it reads.
with

evaluation as (

    select {{ as_of() }} as as_of

),

parameters as (

    select * from {{ source('ops', 'segment_parameters') }}

),

plan as (

    select * from {{ source('ops', 'segment_plan') }}

),

event_tests as (

    select
        shop_id,
        test_id
    from {{ ref('int_segment_event_tests') }}

),

shops as (

    select * from {{ ref('int_shops') }}

),

-- A plan may be older than the features: shapes of fields that are gone wait for the next plan.
evaluable as (

    select plan.shape_id
    from plan
    where
        plan.fields <@ array(
            select attributes.attname::text
            from pg_attribute as attributes
            where
                attributes.attrelid = '{{ ref("int_customer_features") }}'::regclass
                and not attributes.attisdropped
        )

),

-- Likewise rules of event tests that cannot be evaluated.
waiting as (

    select parameters.segment_id
    from parameters
    cross join lateral unnest(parameters.event_tests) as wanted (test_id)
    left join event_tests
        on
            parameters.shop_id = event_tests.shop_id
            and wanted.test_id = event_tests.test_id
    where event_tests.test_id is null

),

localized as (

    select
        parameters.*,
        evaluation.as_of,
        shops.timezone,
        {{ local_date('evaluation.as_of', 'shops.timezone') }} as today
    from parameters
    inner join evaluable on parameters.shape_id = evaluable.shape_id
    inner join shops on parameters.shop_id = shops.shop_id
    cross join evaluation
    where parameters.segment_id not in (select waiting.segment_id from waiting)

),

final as (

    select
        localized.segment_id,
        localized.shop_id,
        localized.shape_id,
        localized.event_tests,
        localized.reference_tests,
        {{ segment_constants('localized') }}
    from localized

)

select * from final

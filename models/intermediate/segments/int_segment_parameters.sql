{%- set duration = segment_interval('windows.value', 'windows.unit') -%}
-- One row per rule that can be evaluated: its constants, the times resolved against as_of and the
-- shop's time zone.
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

),

final as (

    select
        localized.segment_id,
        localized.shop_id,
        localized.shape_id,
        localized.as_of,
        localized.timezone,
        localized.today,
        localized.numbers,
        array(
            select lower(text_values.value)
            from unnest(localized.texts) with ordinality as text_values (value, position)
            order by text_values.position
        ) as texts,
        localized.seeds,
        array(
            select coalesce(moments.instant, moments.local_time at time zone localized.timezone)
            from
                unnest(localized.instants, localized.local_times)
                with ordinality as moments (instant, local_time, position)
            order by moments.position
        ) as moments,
        array(
            select
                case windows.unit
                    when 'hour'
                        then localized.as_of - {{ duration }}
                    else {{ local_midnight(
                        '(localized.today - ' ~ duration ~ ')::date',
                        'localized.timezone'
                    ) }}
                end
            from
                unnest(localized.window_values, localized.window_units)
                with ordinality as windows (value, unit, position)
            order by windows.position
        ) as window_starts,
        -- The last instant of the window's last day: windows include both ends.
        array(
            select
                case windows.unit
                    when 'hour'
                        then localized.as_of + {{ duration }}
                    else {{ local_midnight(
                        '(localized.today + ' ~ duration ~ ')::date + 1',
                        'localized.timezone'
                    ) }} - interval '1 microsecond'
                end
            from
                unnest(localized.window_values, localized.window_units)
                with ordinality as windows (value, unit, position)
            order by windows.position
        ) as window_ends,
        array(
            select (localized.today + {{ duration }})::date
            from
                unnest(localized.window_values, localized.window_units)
                with ordinality as windows (value, unit, position)
            order by windows.position
        ) as window_days
    from localized

)

select * from final

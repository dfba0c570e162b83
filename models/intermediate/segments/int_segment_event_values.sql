{#- One pass over each event's rows: every row meets the tests of its shop. Tests of one shape share
    a predicate, as rules do (int_segment_matches). -#}
{%- set shapes_per_pass = 256 -%}
{%- set tests = ref('int_segment_event_tests') -%}
{%- set relations = segment_events() -%}
{%- set is_touched_customer = is_touched('events.customer_id', 'event_values') -%}
{%- set passes = [] -%}
{%- for event, plan in segment_event_plan(tests) | groupby('event') -%}
    {%- for shapes in plan | batch(shapes_per_pass) -%}
        {%- do passes.append({'event': event, 'shapes': shapes}) -%}
    {%- endfor -%}
{%- endfor -%}
-- One row per customer with events that a test of their shop counts: what they come to, by test.
{{ config(post_hook="{{ segment_remember_tests() }}") }}
{%- if passes %}
with

{% for pass in passes %}
counted_{{ loop.index }} as (

    select
        parameters.shop_id,
        parameters.test_id,
        parameters.aggregate,
        events.customer_id,
        events.occurred_at,
        {{ segment_case(pass.shapes, 'value') }} as value
    from {{ tests }} as parameters
    inner join {{ relations[pass.event] }} as events on parameters.shop_id = events.shop_id
    where
        parameters.event = '{{ pass.event }}'
        and parameters.shape_id
        between {{ pass.shapes[0].shape_id }} and {{ pass.shapes[-1].shape_id }}
        and {{ segment_case(pass.shapes, 'predicate') }}
        and {{ is_touched_customer }}
        -- What is dated later has not happened.
        and coalesce(events.occurred_at <= parameters.as_of, true)

),

{% endfor %}
aggregated as (

    {% for pass in passes %}
    select
        shop_id,
        test_id,
        customer_id,
        count(*) as events,
        sum(value) filter (where aggregate in ('sum', 'avg')) as total,
        count(value) filter (where aggregate = 'avg') as numbers,
        min(value) filter (where aggregate = 'min') as least,
        max(value) filter (where aggregate = 'max') as greatest,
        min(occurred_at) filter (where aggregate = 'days_since_first') as first_at,
        max(occurred_at) filter (where aggregate = 'days_since_last') as last_at
    from counted_{{ loop.index }}
    group by shop_id, test_id, customer_id
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

valued as (

    select
        aggregated.shop_id,
        aggregated.customer_id,
        aggregated.test_id,
        case parameters.aggregate
            when 'count' then aggregated.events
            when 'sum' then aggregated.total
            -- With so many decimals no comparison can come out otherwise than with the fraction.
            when 'avg' then round(aggregated.total, 24) / nullif(aggregated.numbers, 0)
            when 'min' then aggregated.least
            when 'max' then aggregated.greatest
            when 'days_since_first'
                then parameters.today - {{ local_date('aggregated.first_at', 'parameters.timezone') }}
            when 'days_since_last'
                then parameters.today - {{ local_date('aggregated.last_at', 'parameters.timezone') }}
        end as aggregate
    from aggregated
    inner join {{ tests }} as parameters
        on
            aggregated.shop_id = parameters.shop_id
            and aggregated.test_id = parameters.test_id

)

select
    shop_id,
    customer_id,
    array_agg(test_id order by test_id) as tests,
    array_agg(aggregate order by test_id) as aggregates
from valued
group by shop_id, customer_id
{%- else %}
select
    shop_id,
    null::bigint as customer_id,
    null::bigint[] as tests,
    null::numeric[] as aggregates
from {{ tests }}
where false
{%- endif %}

-- One row per enrolled customer: a hash of all that rules may read of them.
{%- set features = ref('int_customer_features') %}
with

features as (

    select * from {{ features }}

),

event_values as (

    select * from {{ ref('int_segment_event_values') }}

),

kept_members as (

    select * from {{ ref('int_segment_kept_members') }}

)

select
    features.shop_id,
    features.customer_id,
    md5(row(
        features.*,
        {{ segment_passed_times(features) }},
        event_values.tests,
        event_values.aggregates,
        kept_members.tests
    )::text)::uuid as inputs
from features
left join event_values
    on
        features.customer_id = event_values.customer_id
        and features.shop_id = event_values.shop_id
left join kept_members
    on
        features.customer_id = kept_members.customer_id
        and features.shop_id = kept_members.shop_id

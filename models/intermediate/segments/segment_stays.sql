{#- The past is what today's stays say of it: they are never computed again. -#}
{%- set is_past = target.name == 'asof' -%}
{{ config(materialized='view' if is_past else 'incremental') }}
-- One row per stay of a customer in a segment. A build yields only the stays that open or close at
-- its as_of, so that nothing is written where nobody enters or leaves.
{%- if is_past %}
-- It stands at the same place in the graph: Dagster refuses another order than the present's.
-- depends_on: {{ ref('int_customer_features') }}, {{ ref('int_segment_application_members') }},
-- {{ ref('int_segment_event_values') }}, {{ ref('int_segment_members') }},
-- {{ ref('int_segment_parameters') }}, {{ ref('int_segment_rules') }}
select
    segment_id,
    shop_id,
    customer_id,
    added_at,
    case when removed_at <= {{ as_of() }} then removed_at end as removed_at,
    qualification_reason,
    qualification_data
from ops.segment_stays
where added_at <= {{ as_of() }}
{%- else %}
{%- set plan = segment_plan(ref('int_segment_parameters')) %}
with

evaluation as (

    select {{ as_of() }} as as_of

),

-- Segments that this build does not decide keep their members, but for those whom their shop lost.
closing as (

    select
        stays.segment_id,
        stays.shop_id,
        stays.customer_id,
        stays.added_at,
        evaluation.as_of as removed_at,
        stays.qualification_reason,
        stays.qualification_data
    from {{ segment_known_stays() }} as stays
    left join {{ ref('int_segment_rules') }} as rules on stays.segment_id = rules.segment_id
    left join {{ ref('int_customer_features') }} as features
        on
            stays.customer_id = features.customer_id
            and stays.shop_id = features.shop_id
    left join {{ ref('int_segment_members') }} as members
        on
            stays.segment_id = members.segment_id
            and stays.customer_id = members.customer_id
    cross join evaluation
    where
        stays.removed_at is null
        and members.customer_id is null
        and (
            rules.segment_id is null
            or features.customer_id is null
            or rules.is_decided
        )

),

latest_stays as (

    select
        stays.segment_id,
        stays.customer_id,
        bool_or(stays.removed_at is null) as is_open,
        max(stays.removed_at) as removed_at
    from {{ segment_known_stays() }} as stays
    group by stays.segment_id, stays.customer_id

),

-- Who belongs, or is held by the application, beside their latest stay.
candidates as (

    select
        coalesce(members.segment_id, application_members.segment_id) as segment_id,
        coalesce(members.shop_id, application_members.shop_id) as shop_id,
        coalesce(members.customer_id, application_members.customer_id) as customer_id,
        coalesce(members.rule_status, application_members.rule_status) as rule_status,
        members.customer_id is not null as is_member,
        application_members.added_at as application_added_at
    from {{ ref('int_segment_members') }} as members
    full join {{ ref('int_segment_application_members') }} as application_members
        on
            members.segment_id = application_members.segment_id
            and members.customer_id = application_members.customer_id

),

opening as (

    select
        candidates.segment_id,
        candidates.shop_id,
        candidates.customer_id,
        -- The application knows when its own rows began; after a stay only in its own segments.
        case
            when
                latest_stays.customer_id is null
                or (
                    candidates.rule_status = 'manual'
                    and candidates.application_added_at >= latest_stays.removed_at
                )
                then coalesce(candidates.application_added_at, evaluation.as_of)
            else evaluation.as_of
        end as added_at,
        -- Members of the application whom the rule does not select leave now; where there is no
        -- verdict on the rule they stay.
        case
            when rules.is_decided and not candidates.is_member
                then evaluation.as_of
        end as removed_at,
        case
            when candidates.rule_status = 'manual' then 'Added in the application'
            when candidates.is_member then rules.rule_in_words
            else 'Already a member in the application'
        end as qualification_reason,
        {% if plan -%}
        case
            when parameters.segment_id is not null
                then {{ segment_case(plan, 'values_seen') }}
        end as qualification_data
        {%- else -%}
        null::jsonb as qualification_data
        {%- endif %}
    from candidates
    left join latest_stays
        on
            candidates.segment_id = latest_stays.segment_id
            and candidates.customer_id = latest_stays.customer_id
    inner join {{ ref('int_segment_rules') }} as rules on candidates.segment_id = rules.segment_id
    inner join {{ ref('int_customer_features') }} as features
        on candidates.customer_id = features.customer_id
    left join {{ ref('int_segment_parameters') }} as parameters
        on
            candidates.segment_id = parameters.segment_id
            and candidates.rule_status != 'manual'
            and candidates.is_member
    left join {{ ref('int_segment_event_values') }} as event_values
        on
            candidates.customer_id = event_values.customer_id
            and candidates.shop_id = event_values.shop_id
    cross join evaluation
    where
        latest_stays.customer_id is null
        or (candidates.is_member and not latest_stays.is_open)

)

select * from closing
union all
select * from opening
{%- endif %}

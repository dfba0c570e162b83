-- One row per segment: how many customers are in it, what they are worth, how many can be reached.
with

rules as (

    select * from {{ ref('int_segment_rules') }}

),

stays as (

    select * from {{ ref('segment_stays') }}

),

features as (

    select * from {{ ref('int_customer_features') }}

),

sizes as (

    select
        stays.segment_id,
        count(*) as customer_count,
        avg(features.lifetime_spent) as avg_lifetime_value,
        avg(features.points_balance) as avg_points_balance,
        sum(features.points_balance) as points_balance,
        count(*) filter (where features.is_reachable_by_email) as reachable_by_email,
        count(*) filter (where features.is_reachable_by_sms) as reachable_by_sms
    from stays
    left join features on stays.customer_id = features.customer_id
    where stays.removed_at is null
    group by stays.segment_id

),

computed as (

    select
        rules.segment_id,
        rules.shop_id,
        rules.name,
        rules.rule_status,
        rules.rule_error,
        rules.is_decided,
        coalesce(sizes.customer_count, 0) as customer_count,
        sizes.avg_lifetime_value::numeric(14, 2) as avg_lifetime_value,
        sizes.avg_points_balance::numeric(14, 2) as avg_points_balance,
        {{ money("coalesce(sizes.points_balance, 0) * " ~ var('point_value')) }}
            as points_liability,
        coalesce(sizes.reachable_by_email, 0) as reachable_by_email,
        coalesce(sizes.reachable_by_sms, 0) as reachable_by_sms
    from rules
    left join sizes on rules.segment_id = sizes.segment_id

),

earlier as (

    {% if is_incremental() %}
    select * from {{ this }}
    {% else %}
    select
        *,
        null::timestamptz as last_computed_at
    from computed
    where false
    {% endif %}

),

final as (

    select
        computed.segment_id,
        computed.shop_id,
        computed.name,
        computed.rule_status,
        computed.rule_error,
        computed.customer_count,
        computed.avg_lifetime_value,
        computed.avg_points_balance,
        computed.points_liability,
        computed.reachable_by_email,
        computed.reachable_by_sms,
        -- It moves only beside another figure, so that a run that changes nothing writes nothing.
        case
            when
                computed.is_decided
                and (
                    earlier.last_computed_at is null
                    or row(
                        computed.customer_count,
                        computed.avg_lifetime_value,
                        computed.avg_points_balance,
                        computed.points_liability,
                        computed.reachable_by_email,
                        computed.reachable_by_sms
                    ) is distinct from row(
                        earlier.customer_count,
                        earlier.avg_lifetime_value,
                        earlier.avg_points_balance,
                        earlier.points_liability,
                        earlier.reachable_by_email,
                        earlier.reachable_by_sms
                    )
                )
                then {{ as_of() }}
            else earlier.last_computed_at
        end as last_computed_at
    from computed
    left join earlier on computed.segment_id = earlier.segment_id

)

select * from final

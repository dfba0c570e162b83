{#- What a row may hold, by column; the macros row_is_faulty and row_faults say the rest. -#}
{%- set checked_tables = [
    {
        'rows': 'definitions',
        'table_name': 'tier_definitions',
        'times': ['created_at', 'updated_at'],
        'ranges': {
            'tier_level': '> 0',
            'min_points_required': '>= 0',
            'min_spend_required': 'money >= 0',
            'min_orders_required': '>= 0',
            'points_multiplier': 'money > 0',
            'discount_percentage': 'money',
        },
        'enumerations': ['tier_type'],
    },
    {
        'rows': 'definitions',
        'table_name': 'reward_definitions',
        'times': ['valid_from', 'valid_until', 'created_at', 'updated_at'],
        'ranges': {
            'points_cost': '> 0',
            'max_redemptions_per_customer': '> 0',
            'max_redemptions_total': '> 0',
            'current_redemptions': '>= 0',
        },
        'enumerations': ['reward_type'],
    },
    {
        'rows': 'definitions',
        'table_name': 'campaigns',
        'times': ['start_date', 'end_date', 'created_at', 'updated_at'],
        'ranges': {
            'bonus_multiplier': 'money > 0',
            'max_participants': '> 0',
            'budget_limit': 'money > 0',
            'current_spend': 'money',
        },
        'enumerations': ['campaign_type', 'status'],
    },
    {
        'rows': 'definitions',
        'table_name': 'customer_segments',
        'times': ['created_at', 'updated_at', 'last_computed_at'],
        'ranges': {'avg_lifetime_value': 'money'},
        'enumerations': ['segment_type'],
    },
    {
        'rows': 'definitions',
        'table_name': 'loyalty_analytics',
        'times': ['date', 'computed_at'],
        'ranges': {'total_revenue': 'money', 'loyalty_revenue': 'money'},
        'enumerations': ['period_type'],
    },
    {
        'rows': 'definitions',
        'table_name': 'shops',
        'times': ['created_at', 'updated_at'],
        'ranges': {'points_per_dollar': 'money > 0'},
    },
] -%}
-- One row per fault of a shop, or of a tier, reward, campaign, segment or row of analytics of it.
with

-- As the application wrote them: the staging views hide times that are looked for here.
faults as (

    {%- for checked in checked_tables %}
    {%- set column = 'id' if checked.table_name == 'shops' else 'shop_id' %}
    {%- set shop_id = 'definitions.' ~ column %}
    select
        {{ shop_id }},
        '{{ checked.table_name }}' as relation,
        definitions.id as row_id,
        faults.check_name,
        faults.subject,
        faults.detail
    from {{ source('raw', checked.table_name) }} as definitions
    left join {{ ref('stg_shops') }} as shops
        on {{ shop_id }} = shops.shop_id
    cross join
        lateral (
            values
            (
                'missing_shop',
                {{ shop_id }}::text,
                case when shops.shop_id is null then 'there is no shop ' || {{ shop_id }} end
            ),
            {{ row_faults(checked) }}
        ) as faults (check_name, subject, detail)
    where
        definitions._deleted_at is null
        and (shops.shop_id is null or {{ row_is_faulty(checked) }})
        and faults.detail is not null

    union all
    {% endfor %}
    select
        shop_id,
        'tier_definitions' as relation,
        tier_id as row_id,
        'duplicate_tier_level' as check_name,
        '' as subject,
        'tier ' || first_of_level || ' has the level ' || tier_level || ', too' as detail
    from (
        select
            shop_id,
            tier_id,
            tier_level,
            min(tier_id) over (partition by shop_id, tier_level) as first_of_level
        from {{ ref('stg_tier_definitions') }}
    ) as tiers
    where tier_id <> first_of_level

    union all

    select
        shop_id,
        'campaigns' as relation,
        campaign_id as row_id,
        'ends_before_it_begins' as check_name,
        '' as subject,
        'from '
        || {{ date_in_words('starts_at') }}
        || ' to '
        || {{ date_in_words('ends_at') }} as detail
    from {{ ref('stg_campaigns') }}
    where ends_at <= starts_at

    union all

    select
        shop_id,
        'customer_segments' as relation,
        segment_id as row_id,
        'invalid_rule' as check_name,
        '' as subject,
        rule_error as detail
    from {{ ref('int_segment_rules') }}
    where rule_status = 'invalid'

)

select
    shop_id,
    relation,
    check_name,
    subject,
    row_id,
    1 as row_count,
    detail
from faults

{%- set found = [
    'int_point_findings', 'int_tier_findings', 'int_customer_findings', 'int_referral_findings',
    'int_membership_findings', 'int_program_findings',
] -%}
{%- set counts = [
    'total_customers', 'active_customers', 'new_customers', 'points_earned', 'points_redeemed',
    'points_expired', 'redemptions_count', 'referrals_count', 'campaign_participations',
    'tier_upgrades', 'tier_downgrades',
] -%}
{%- set amounts = ['total_revenue', 'loyalty_revenue'] -%}
-- One row per finding: something in the application's rows that is not as it should be.
{{ config(
    unique_key=['relation', 'key', 'check'],
    indexes=[
        {'columns': ['relation', 'key', '"check"'], 'unique': true},
        {'columns': ['shop_id', '"check"']},
    ],
) }}

with

faults as (
    {%- for relation in found %}

    select
        shop_id,
        relation,
        check_name,
        subject,
        row_id,
        row_count,
        detail
    from {{ ref(relation) }}
    {%- if not loop.last %}

    union all
    {%- endif %}
    {%- endfor %}

),

-- Rows that share the cause, such as an unknown value or a campaign that is gone, are one finding.
causes as (

    select
        shop_id,
        relation,
        check_name,
        min(row_id) as row_id,
        sum(row_count) as row_count,
        min(detail collate "C") as detail
    from faults
    group by shop_id, relation, check_name, subject, case when subject = '' then row_id end

),

usual_entries as (

    select
        shop_id,
        percentile_disc(0.5) within group (order by points) as points
    from {{ ref('int_largest_entries') }}
    group by shop_id
    having count(*) >= 10

),

outsized_customers as (

    select
        largest.shop_id,
        largest.customer_id,
        largest.points,
        usual_entries.points as usual_points
    from {{ ref('int_largest_entries') }} as largest
    inner join usual_entries
        on largest.shop_id = usual_entries.shop_id
    where largest.points > greatest(100 * usual_entries.points, 10000)

),

outsized_entries as (

    select
        outsized_customers.shop_id,
        min(ledger.transaction_id) as transaction_id,
        count(*) as row_count,
        min(outsized_customers.points) as points,
        min(outsized_customers.usual_points) as usual_points
    from outsized_customers
    inner join {{ ref('fct_point_ledger') }} as ledger
        on
            outsized_customers.customer_id = ledger.customer_id
            and outsized_customers.points = abs(ledger.points_amount)
    group by outsized_customers.shop_id, outsized_customers.customer_id

),

-- Our own figures that the application's columns, integer and numeric(12, 2), cannot take.
outsized_figures as (

    select
        analytics.shop_id,
        analytics.period_type,
        analytics.date,
        concat_ws(
            ', '
            {%- for name in counts %},
            case
                when abs(analytics.{{ name }}) > 2147483647
                    then '{{ name }} is ' || analytics.{{ name }}
            end
            {%- endfor %}
            {%- for name in amounts %},
            case
                when analytics.{{ name }} is null then '{{ name }} is beyond numeric(14, 2)'
                when abs(analytics.{{ name }}) >= 10000000000
                    then '{{ name }} is ' || analytics.{{ name }}
            end
            {%- endfor %}
        ) as detail
    from {{ ref('loyalty_analytics') }} as analytics

),

numbered_figures as (

    select
        *,
        row_number() over (partition by shop_id, period_type order by date) as figure_no,
        count(*) over (partition by shop_id, period_type) as row_count
    from outsized_figures
    where detail <> ''

),

findings as (

    select
        shop_id,
        check_name,
        relation,
        row_id::text as key,
        row_count,
        detail
    from causes

    union all

    select
        shop_id,
        'outsized_entry' as check_name,
        'point_transactions' as relation,
        transaction_id::text as key,
        row_count,
        points || ' points, while the largest entry of a customer of the shop is usually '
        || usual_points as detail
    from outsized_entries

    union all

    select
        shop_id,
        'outsized_figure' as check_name,
        'loyalty_analytics' as relation,
        shop_id || '/' || period_type || '/' || to_char(date, 'YYYY-MM-DD') as key,
        row_count,
        detail
    from numbered_figures
    where figure_no = 1

)

select
    shop_id,
    check_name as "check",
    relation,
    key,
    case
        when row_count > 1 then detail || '; the first of ' || row_count || ' such rows'
        else detail
    end as detail
from findings

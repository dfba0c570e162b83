{#- What a row may hold, by column; the macros row_is_faulty and row_faults say the rest. -#}
{%- set checked = {
    'rows': 'transactions',
    'table_name': 'point_transactions',
    'times': ['created_at', 'expires_at', 'expired_at'],
    'ranges': {'points_amount': '<> 0', 'points_balance_after': '>= 0'},
    'enumerations': ['transaction_type', 'source', 'created_by'],
} -%}
-- One row per customer and fault of their point transactions, ledger and lots: the first row that
-- has the fault, and how many have it.
{{ config(
    materialized='incremental',
    incremental_strategy='reconcile',
    on_schema_change='append_new_columns',
    full_refresh=false,
    unique_key=['customer_id', 'relation', 'check_name', 'subject'],
    indexes=[{'columns': ['customer_id', 'relation', 'check_name', 'subject'], 'unique': true}],
    meta={'touched': 'customers'},
) }}

with

-- As the application wrote them: the staging views hide times that are looked for here.
transactions as (

    select
        id as transaction_id,
        customer_id,
        transaction_type,
        points_amount,
        points_balance_after,
        source,
        campaign_id,
        redemption_id,
        expires_at,
        expired_at,
        created_at,
        created_by
    from {{ source('raw', 'point_transactions') }}
    where
        _deleted_at is null
        and coalesce({{ clean_timestamp('created_at') }} <= {{ as_of() }}, true)
        and customer_id is not null
        and {{ is_touched('customer_id') }}

),

customers as (

    select * from {{ ref('int_known_customers') }}
    where {{ is_touched('customer_id') }}

),

campaigns as (

    select
        campaign_id,
        shop_id
    from {{ ref('stg_campaigns') }}

),

redemptions as (

    select
        customer_id,
        redemption_id,
        points_spent
    from {{ ref('stg_redemption_logs') }}
    where {{ is_touched('customer_id') }}

),

profiles as (

    select
        shop_id,
        customer_id,
        points_balance
    from {{ ref('stg_customer_loyalty_profiles') }}
    where {{ is_touched('customer_id') }}

),

ledger as (

    select
        customer_id,
        transaction_id,
        entry_no,
        points_amount,
        balance_after,
        recorded_balance_after,
        balance_drift
    from {{ ref('fct_point_ledger') }}
    where {{ is_touched('customer_id') }}

),

lots as (

    select
        shop_id,
        customer_id,
        lot_id,
        expires_at,
        points_remaining
    from {{ ref('fct_point_lots') }}
    where
        lot_status = 'expired_unposted'
        and {{ is_touched('customer_id') }}

),

faults_of_transactions as (

    select
        coalesce(customers.shop_id, campaigns.shop_id) as shop_id,
        transactions.customer_id,
        transactions.transaction_id,
        faults.check_name,
        faults.subject,
        faults.detail
    from transactions
    left join customers
        on transactions.customer_id = customers.customer_id
    left join campaigns
        on transactions.campaign_id = campaigns.campaign_id
    left join redemptions
        on
            transactions.customer_id = redemptions.customer_id
            and transactions.redemption_id = redemptions.redemption_id
    cross join
        lateral (
            values
            (
                'missing_customer',
                transactions.customer_id::text,
                case
                    when not coalesce(customers.is_known, false)
                        then 'there is no customer ' || transactions.customer_id
                end
            ),
            (
                'missing_campaign',
                transactions.campaign_id::text,
                case
                    when transactions.campaign_id is not null and campaigns.campaign_id is null
                        then 'there is no campaign ' || transactions.campaign_id
                end
            ),
            (
                'campaign_of_another_shop',
                transactions.campaign_id::text,
                case
                    when campaigns.shop_id <> customers.shop_id
                        then
                            'campaign '
                            || campaigns.campaign_id
                            || ' is of shop '
                            || campaigns.shop_id
                end
            ),
            (
                'missing_redemption',
                '',
                case
                    when
                        transactions.redemption_id is not null and redemptions.redemption_id is null
                        then 'the customer has no redemption ' || transactions.redemption_id
                end
            ),
            (
                'redemption_mismatch',
                '',
                case
                    when
                        transactions.transaction_type = 'redeemed'
                        and -transactions.points_amount <> redemptions.points_spent
                        then
                            'points_amount ' || transactions.points_amount
                            || ', points_spent of redemption ' || redemptions.redemption_id
                            || ' ' || redemptions.points_spent
                end
            ),
            (
                'wrong_sign',
                '',
                case
                    when
                        (
                            transactions.transaction_type in ('redeemed', 'expired')
                            and transactions.points_amount > 0
                        )
                        or (
                            transactions.transaction_type in ('earned', 'bonus')
                            and transactions.points_amount < 0
                        )
                        then transactions.transaction_type || ' ' || transactions.points_amount
                end
            ),
            {{ row_faults(checked) }}
        ) as faults (check_name, subject, detail)
    -- Nearly all rows are good, and leave here.
    where
        (
            not coalesce(customers.is_known, false)
            or (
                transactions.campaign_id is not null
                and (
                    campaigns.campaign_id is null
                    or campaigns.shop_id <> customers.shop_id
                )
            )
            or (
                transactions.redemption_id is not null
                and (
                    redemptions.redemption_id is null
                    or -transactions.points_amount <> redemptions.points_spent
                )
            )
            or (
                transactions.transaction_type in ('redeemed', 'expired')
                and transactions.points_amount > 0
            )
            or (
                transactions.transaction_type in ('earned', 'bonus')
                and transactions.points_amount < 0
            )
            or {{ row_is_faulty(checked) }}
        )
        and faults.detail is not null

),

numbered_faults as (

    select
        *,
        row_number() over (
            partition by customer_id, check_name, subject
            order by transaction_id
        ) as fault_no,
        count(*) over (partition by customer_id, check_name, subject) as row_count
    from faults_of_transactions

),

-- One pass: the first entry that drifts or overdraws is the least array of those that do.
ledgers as (

    select
        customer_id,
        sum(points_amount) as balance,
        min(balance_after) as lowest_balance,
        count(*) filter (where balance_drift <> 0) as drifting,
        count(*) filter (where balance_after < 0) as overdrawn,
        min(array[entry_no, transaction_id, recorded_balance_after, balance_after]) filter (
            where balance_drift <> 0
        ) as first_drifting,
        min(array[entry_no, transaction_id, balance_after]) filter (
            where balance_after < 0
        ) as first_overdrawn
    from ledger
    group by customer_id

),

faults_of_ledgers as (

    select
        profiles.shop_id,
        profiles.customer_id,
        faults.relation,
        faults.check_name,
        faults.row_id,
        faults.row_count,
        faults.detail
    from profiles
    left join ledgers
        on profiles.customer_id = ledgers.customer_id
    cross join
        lateral (
            values
            (
                'point_transactions',
                'balance_drift',
                ledgers.first_drifting[2],
                ledgers.drifting,
                'recorded '
                || ledgers.first_drifting[3]
                || ', computed '
                || ledgers.first_drifting[4]
            ),
            (
                'point_transactions',
                'negative_balance',
                ledgers.first_overdrawn[2],
                ledgers.overdrawn,
                'computed ' || ledgers.first_overdrawn[3] || ', lowest ' || ledgers.lowest_balance
            )
            {%- if target.name != 'asof' %},
            -- The profile's balance is the present one.
            (
                'customer_loyalty_profiles',
                'balance_mismatch',
                profiles.customer_id,
                1,
                case
                    when profiles.points_balance <> coalesce(ledgers.balance, 0)
                        then
                            'recorded ' || profiles.points_balance
                            || ', computed ' || coalesce(ledgers.balance, 0)
                end
            )
            {%- endif %}
        ) as faults (relation, check_name, row_id, row_count, detail)
    where
        (
            ledgers.first_drifting is not null
            or ledgers.first_overdrawn is not null
            or profiles.points_balance <> coalesce(ledgers.balance, 0)
        )
        and faults.detail is not null

),

unposted_expiries as (

    select
        shop_id,
        customer_id,
        min(lot_id) as lot_id,
        count(*) as lots,
        sum(points_remaining) as points,
        min(expires_at) as first_expired_at
    from lots
    group by shop_id, customer_id

),

findings as (

    select
        shop_id,
        customer_id,
        'point_transactions' as relation,
        check_name,
        subject,
        transaction_id as row_id,
        row_count,
        detail
    from numbered_faults
    where fault_no = 1

    union all

    select
        shop_id,
        customer_id,
        relation,
        check_name,
        '' as subject,
        row_id,
        row_count,
        detail
    from faults_of_ledgers

    union all

    select
        shop_id,
        customer_id,
        'point_transactions' as relation,
        'unposted_expiry' as check_name,
        '' as subject,
        lot_id as row_id,
        lots as row_count,
        points || ' points of the customer left though expired, the first on '
        || {{ date_in_words('first_expired_at') }} as detail
    from unposted_expiries

)

select
    shop_id,
    customer_id,
    relation,
    check_name,
    subject,
    row_id,
    row_count,
    detail
from findings

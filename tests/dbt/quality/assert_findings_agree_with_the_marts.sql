{{ config(meta={'dagster': {'ref': {'name': 'data_quality_findings'}}}) }}
-- Customers of this run whose ledger drifts or is overdrawn, or whose lots should have expired, and
-- that have no finding of it, or have one without a reason.
with

ledgers as (

    select
        customer_id,
        bool_or(balance_drift <> 0) as is_drifting,
        bool_or(balance_after < 0) as is_overdrawn
    from {{ ref('fct_point_ledger') }}
    where {{ is_touched('customer_id') }}
    group by customer_id

),

lots as (

    select
        customer_id,
        bool_or(lot_status = 'expired_unposted') as is_unposted
    from {{ ref('fct_point_lots') }}
    where {{ is_touched('customer_id') }}
    group by customer_id

),

findings as (

    select
        customer_id,
        bool_or(check_name = 'balance_drift') as is_drifting,
        bool_or(check_name = 'negative_balance') as is_overdrawn,
        bool_or(check_name = 'unposted_expiry') as is_unposted
    from {{ ref('int_point_findings') }}
    where {{ is_touched('customer_id') }}
    group by customer_id

)

select
    ledgers.*,
    lots.is_unposted,
    findings.is_drifting as is_found_drifting,
    findings.is_overdrawn as is_found_overdrawn,
    findings.is_unposted as is_found_unposted
from ledgers
left join lots
    on ledgers.customer_id = lots.customer_id
full join findings
    on ledgers.customer_id = findings.customer_id
where
    coalesce(ledgers.is_drifting, false) <> coalesce(findings.is_drifting, false)
    or coalesce(ledgers.is_overdrawn, false) <> coalesce(findings.is_overdrawn, false)
    or coalesce(lots.is_unposted, false) <> coalesce(findings.is_unposted, false)

"""What the models compute, in DuckDB's best words: the same rows, the same columns."""

from __future__ import annotations

TABLES = {
    "stg_point_transactions": {
        "transaction_id": "bigint",
        "customer_id": "bigint",
        "transaction_type": "varchar",
        "source": "varchar",
        "points_amount": "bigint",
        "points_balance_after": "bigint",
        "order_id": "varchar",
        "campaign_id": "bigint",
        "redemption_id": "bigint",
        "created_at": "timestamptz",
        "expires_at": "timestamptz",
        "expired_at": "timestamptz",
    },
    "stg_customer_loyalty_profiles": {"customer_id": "bigint", "shop_id": "bigint"},
}
"""What the models read, with its types, as DuckDB's tables hold it."""

# The window first, the shop after it; the last key seen instead of a running minimum; joins by the
# transaction alone, which is unique: each is the faster way in DuckDB.
QUERIES = {
    "balance": """
        select
            customer_id,
            transaction_id,
            (sum(points_amount) over (
                partition by customer_id
                order by created_at asc nulls first, transaction_id asc
                rows between unbounded preceding and current row
            ))::bigint as balance_after
        from stg_point_transactions
    """,
    "fct_point_ledger": """
        select
            customers.shop_id,
            entries.*,
            entries.recorded_balance_after - entries.balance_after as balance_drift
        from (
            select
                transaction_id,
                customer_id,
                transaction_type,
                source,
                points_amount,
                points_balance_after as recorded_balance_after,
                order_id,
                campaign_id,
                redemption_id,
                created_at as occurred_at,
                expires_at,
                expired_at,
                row_number() over ledger as entry_no,
                (sum(points_amount) over ledger)::bigint as balance_after,
                (sum(greatest(points_amount, 0)) over ledger)::bigint as credited_through,
                (sum(greatest(-points_amount, 0)) over ledger)::bigint as debited_through
            from stg_point_transactions
            window ledger as (
                partition by customer_id
                order by created_at asc nulls first, transaction_id asc
                rows between unbounded preceding and current row
            )
        ) as entries
        inner join stg_customer_loyalty_profiles as customers using (customer_id)
    """,
    "int_point_pieces": """
        with

        cuts as (
            select
                shop_id,
                customer_id,
                points_amount > 0 as is_credit,
                case when points_amount > 0 then credited_through else debited_through end as total,
                entry_no * (1::bigint << 40) + (transaction_id << 2) + case transaction_type
                    when 'redeemed' then 1
                    when 'expired' then 2
                    else 3
                end as entry_key
            from fct_point_ledger
            where points_amount <> 0
        ),

        pieces as (
            select
                shop_id,
                customer_id,
                last_value(case when is_credit then entry_key end ignore nulls)
                    over downwards as lot_key,
                last_value(case when not is_credit then entry_key end ignore nulls)
                    over downwards as debit_key,
                total - lead(total, 1, 0) over downwards as points
            from cuts
            window downwards as (
                partition by customer_id
                order by total desc, is_credit asc
                rows between unbounded preceding and current row
            )
        )

        select
            shop_id,
            customer_id,
            (lot_key >> 2) & ((1::bigint << 38) - 1) as lot_id,
            (debit_key >> 2) & ((1::bigint << 38) - 1) as transaction_id,
            case debit_key & 3
                when 1 then 'redeemed'
                when 2 then 'expired'
                when 3 then 'reversed'
            end as taken_by,
            (greatest(lot_key, debit_key) >> 2) & ((1::bigint << 38) - 1) as later_transaction_id,
            points
        from pieces
        where points > 0
    """,
    "fct_point_lots": """
        with

        taken as (
            select
                lot_id,
                sum(points)::bigint as points_taken,
                coalesce(sum(points) filter (taken_by = 'redeemed'), 0)::bigint as points_redeemed,
                coalesce(sum(points) filter (taken_by = 'expired'), 0)::bigint as points_expired,
                coalesce(sum(points) filter (taken_by = 'reversed'), 0)::bigint as points_reversed
            from int_point_pieces
            where lot_id is not null and transaction_id is not null
            group by lot_id
        ),

        lots as (
            select
                credits.shop_id,
                credits.customer_id,
                credits.transaction_id as lot_id,
                credits.occurred_at as earned_at,
                credits.expires_at,
                credits.expired_at,
                credits.points_amount as points_issued,
                coalesce(taken.points_redeemed, 0) as points_redeemed,
                coalesce(taken.points_expired, 0) as points_expired,
                coalesce(taken.points_reversed, 0) as points_reversed,
                credits.points_amount - coalesce(taken.points_taken, 0) as points_remaining
            from fct_point_ledger as credits
            left join taken on credits.transaction_id = taken.lot_id
            where credits.points_amount > 0
        )

        select
            * exclude (expired_at),
            case
                when points_remaining = 0 then 'closed'
                when expires_at <= timestamptz '{as_of}' and expired_at is null
                    then 'expired_unposted'
                else 'open'
            end as lot_status
        from lots
    """,
    "fct_point_lot_allocations": """
        select
            pieces.shop_id,
            pieces.customer_id,
            pieces.lot_id,
            pieces.transaction_id,
            entries.occurred_at as allocated_at,
            pieces.taken_by,
            pieces.points,
            lots.earned_at
        from int_point_pieces as pieces
        inner join fct_point_ledger as entries
            on pieces.later_transaction_id = entries.transaction_id
        inner join fct_point_lots as lots
            on pieces.lot_id = lots.lot_id
        where pieces.lot_id is not null and pieces.transaction_id is not null
    """,
}

"""What a week changes in the operational database: 1 % of its point transactions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestration.database import Database

INSERTED, UPDATED, DELETED = 0.008, 0.001, 0.001
"""Shares of all transactions: inserts of the last seven days, the others of any time at random."""

# New purchases of customers who purchased before, the more the likelier. The profile follows, as
# the application writes it in the same transaction.
_INSERT = """
with

templates as (

    select
        *,
        %(now)s - abs(mod(hashint8extended(id, 2), 604800)) * interval '1 second' as now_at
    from point_transactions
    where
        transaction_type in ('earned', 'bonus')
        and created_at is not null
    order by hashint8extended(id, 1), id
    limit %(rows)s

),

added as (

    insert into point_transactions (
        customer_id, transaction_type, points_amount, points_balance_after, source, source_id,
        description, order_id, campaign_id, expires_at, created_at, created_by
    )
    select
        templates.customer_id,
        templates.transaction_type,
        templates.points_amount,
        profiles.points_balance + templates.points_amount,
        templates.source,
        templates.source_id,
        templates.description,
        templates.order_id || '-' || templates.id,
        templates.campaign_id,
        templates.expires_at + (templates.now_at - templates.created_at),
        templates.now_at,
        templates.created_by
    from templates
    inner join customer_loyalty_profiles as profiles
        on templates.customer_id = profiles.id
    returning customer_id, points_amount, created_at

),

sums as (

    select
        customer_id,
        sum(points_amount) as points,
        max(created_at) as earned_at
    from added
    group by customer_id

),

followed as (

    update customer_loyalty_profiles as profiles
    set
        points_balance = profiles.points_balance + sums.points,
        lifetime_points_earned = profiles.lifetime_points_earned + sums.points,
        last_points_earned_at = sums.earned_at,
        updated_at = sums.earned_at
    from sums
    where profiles.id = sums.customer_id
    returning profiles.id

)

select count(*) from added
"""

# One point more or one less; never none, which the application's constraint forbids.
_UPDATE = """
update point_transactions
set points_amount = points_amount + sign(points_amount)::integer
where id in (
    select id from point_transactions
    order by hashint8extended(id, 3), id
    limit %(rows)s
)
"""

_DELETE = """
delete from point_transactions
where id in (
    select id from point_transactions
    order by hashint8extended(id, 4), id
    limit %(rows)s
)
"""


@dataclass(frozen=True)
class Changed:
    """How many transactions were changed in the source."""

    inserted: int
    updated: int
    deleted: int

    @property
    def rows(self) -> int:
        """All of them."""
        return self.inserted + self.updated + self.deleted


def change(source: Database, transactions: int, now: datetime) -> Changed:
    """Changes 1 % of the transactions.

    Args:
        source: The operational database.
        transactions: How many it has.
        now: The end of the seven days.
    """

    def share(part: float) -> dict[str, int]:
        return {"rows": max(round(transactions * part), 1)}

    with source.connect() as connection:
        deleted = connection.execute(_DELETE, share(DELETED)).rowcount
        updated = connection.execute(_UPDATE, share(UPDATED)).rowcount
        row = connection.execute(_INSERT, {"now": now, **share(INSERTED)}).fetchone()
    assert row is not None
    return Changed(inserted=row[0], updated=updated, deleted=deleted)

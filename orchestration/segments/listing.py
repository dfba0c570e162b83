"""What there is: the segments of the last build, with their size and state."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import errors
from psycopg.rows import class_row

from orchestration.database import Database
from orchestration.errors import LoyaltyError

_SEGMENTS = """
    select
        segments.segment_id,
        shops.shop_domain,
        segments.name,
        segments.rule_status,
        segments.rule_error,
        segments.customer_count,
        segments.reachable_by_email,
        segments.reachable_by_sms
    from marts.customer_segments as segments
    left join raw.shops as shops on shops.id = segments.shop_id
    order by shops.shop_domain collate "C", segments.name collate "C", segments.segment_id
"""


@dataclass(frozen=True)
class Segment:
    """A segment as the last build left it, in the columns of marts.customer_segments."""

    segment_id: int
    shop_domain: str | None
    name: str
    rule_status: str
    rule_error: str | None
    customer_count: int
    reachable_by_email: int
    reachable_by_sms: int


def list_segments(warehouse: Database) -> list[Segment]:
    """Lists the segments of all shops, by shop and name.

    Raises:
        LoyaltyError: The warehouse has not been built yet.
    """
    with warehouse.connect() as connection:
        try:
            return connection.cursor(row_factory=class_row(Segment)).execute(_SEGMENTS).fetchall()
        except errors.UndefinedTable:
            raise LoyaltyError(
                "The warehouse has no segments yet: its models have not been built.",
                remedy="Build them with: loyalty run",
            ) from None

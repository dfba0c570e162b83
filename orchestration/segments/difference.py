"""Who would enter and leave a segment if its rule changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg.rows import class_row

from orchestration.database import Database
from orchestration.segments.catalogue import Catalogue, load_catalogue
from orchestration.segments.draft import assess_draft
from orchestration.segments.evaluation import Connection, evaluate, snapshot
from orchestration.segments.finding import find_segment, find_shop, shop_of
from orchestration.segments.preview import SAMPLE_SIZE, SAMPLED

_DIFFERENCE = """
    create temporary table segment_difference on commit drop as
    select
        coalesce(members.customer_id, matches.customer_id) as customer_id,
        features.shopify_customer_id,
        features.is_reachable_by_email,
        features.is_reachable_by_sms,
        members.customer_id is null as enters,
        matches.customer_id is null as leaves
    from (
        select stays.customer_id
        from pg_temp.segment_stays as stays
        where
            stays.segment_id = %(segment_id)s
            and stays.shop_id = %(shop_id)s
            and stays.removed_at is null
    ) as members
    full join pg_temp.int_segment_matches as matches
        on members.customer_id = matches.customer_id
    left join pg_temp.int_customer_features as features
        on coalesce(members.customer_id, matches.customer_id) = features.customer_id
"""
_SIZES = """
    select
        count(*) filter (where not enters) as customers_now,
        count(*) filter (where not leaves) as customers_then,
        count(*) filter (where enters) as entering,
        count(*) filter (where leaves) as leaving,
        count(*) filter (where not enters and is_reachable_by_email) as reachable_by_email_now,
        count(*) filter (where not leaves and is_reachable_by_email) as reachable_by_email_then,
        count(*) filter (where not enters and is_reachable_by_sms) as reachable_by_sms_now,
        count(*) filter (where not leaves and is_reachable_by_sms) as reachable_by_sms_then
    from pg_temp.segment_difference
"""
_CUSTOMERS = """
    select difference.shopify_customer_id, difference.customer_id
    from pg_temp.segment_difference as difference
    where difference.{movement}
"""

Movement = Literal["enters", "leaves"]


@dataclass(frozen=True)
class ChangedCustomer:
    """Somebody who would enter or leave."""

    shopify_customer_id: str | None
    customer_id: int


@dataclass(frozen=True)
class Difference:
    """What another rule would make of a segment, whose members now are those of the last build.

    Attributes:
        segment_id: The segment.
        name: Its name.
        shop_domain: Its shop.
        as_of: The instant that the other rule was evaluated for: the last build's.
        rule_in_words: The other rule.
        customers_now: Members now.
        customers_then: Members under the other rule.
        entering: How many would enter.
        leaving: How many would leave.
        reachable_by_email_now: Members now who may be written to.
        reachable_by_email_then: Those under the other rule.
        reachable_by_sms_now: Likewise by text message.
        reachable_by_sms_then: Likewise.
    """

    segment_id: int
    name: str
    shop_domain: str
    as_of: datetime
    rule_in_words: str
    customers_now: int
    customers_then: int
    entering: int
    leaving: int
    reachable_by_email_now: int
    reachable_by_email_then: int
    reachable_by_sms_now: int
    reachable_by_sms_then: int


@dataclass(frozen=True)
class OpenDifference:
    """A difference whose customers can be read for as long as it is open."""

    summary: Difference
    connection: Connection

    def sample(self, movement: Movement) -> list[ChangedCustomer]:
        """A few of those who would move, the same every time."""
        query = _CUSTOMERS.format(movement=movement) + SAMPLED.format(of="difference")
        with self.connection.cursor(row_factory=class_row(ChangedCustomer)) as cursor:
            return cursor.execute(query.encode(), {"sample_size": SAMPLE_SIZE}).fetchall()

    def customers(self, movement: Movement) -> Iterator[ChangedCustomer]:
        """All who would move, by their id, read as they are asked for."""
        query = f"{_CUSTOMERS.format(movement=movement)} order by difference.customer_id"
        with self.connection.cursor(
            f"segment_{movement}", row_factory=class_row(ChangedCustomer)
        ) as cursor:
            cursor.itersize = 5000
            yield from cursor.execute(query.encode())


@contextmanager
def difference(
    warehouse: Database,
    segment: str,
    criteria: str,
    *,
    shop_domain: str | None = None,
    catalogue: Catalogue | None = None,
) -> Iterator[OpenDifference]:
    """Compares a segment's members now with whom another rule would select; saves nothing.

    Args:
        warehouse: The warehouse, built.
        segment: The segment's id or name.
        criteria: The other rule as JSON text.
        shop_domain: The segment's shop; None means any.
        catalogue: What rules may read; None means the project's.

    Raises:
        LoyaltyError: The segment or shop is unknown, the name ambiguous, the rule cannot be used,
            or the warehouse is not built.
    """
    known = load_catalogue() if catalogue is None else catalogue
    with snapshot(warehouse) as connection:
        shop = find_shop(connection, shop_domain) if shop_domain is not None else None
        found = find_segment(connection, segment, shop)
        shop = shop or shop_of(connection, found.shop_id)
        rule = assess_draft(connection, shop, criteria, known, found.segment_id)
        evaluation = evaluate(connection, shop, [rule], known)
        connection.execute(_DIFFERENCE, {"segment_id": found.segment_id, "shop_id": found.shop_id})
        (sizes,) = evaluation.rows(_SIZES)
        summary = Difference(
            segment_id=found.segment_id,
            name=found.name,
            shop_domain=found.shop_domain,
            as_of=evaluation.as_of,
            rule_in_words=rule.words or "",
            **sizes,
        )
        yield OpenDifference(summary, connection)

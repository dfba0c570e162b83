"""The whole sample, written in one transaction, and what it came to."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.sample import target


@dataclass(frozen=True)
class SampleSummary:
    """What a sample holds.

    Attributes:
        rows: Rows per table.
        irregular: Rows per declared irregularity (see `Irregularities`).
        seconds: How long it took.
        seed: What it can be repeated with.
        until: The day as which begins it ends: nothing is dated later, but campaigns to come.
    """

    rows: dict[str, int]
    irregular: dict[str, int]
    seconds: float
    seed: int
    until: date


def generate(
    database: Database,
    schema: str,
    *,
    shops: int,
    customers: int,
    transactions: int,
    days: int = 730,
    seed: int = 1,
    until: date | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> SampleSummary:
    """Fills an empty operational database with a loyalty program's data.

    The same numbers, seed and `until` give the same bytes. It is all written, or nothing is.

    Args:
        database: Where to.
        schema: The schema that holds the application's 15 tables, all empty.
        shops: How many shops, at least 1.
        customers: How many customers in all of them.
        transactions: How many point transactions.
        days: How many days of history, at least 1.
        seed: The source of all chance, not negative.
        until: The day (UTC) as which begins the data ends; today by default.
        progress: Called with a line about what is being done.

    Raises:
        LoyaltyError: The numbers make no sense, a table is missing, or there are rows already.
    """
    # Every command imports this module, and nearly none of them needs numpy.
    from orchestration.sample.assembly import Sample

    began = time.monotonic()
    _require_sense(shops, customers, transactions, days, seed)
    until = until or datetime.now(UTC).date()
    with (
        database.connect() as connection,
        tempfile.TemporaryDirectory(prefix="loyalty-sample-") as folder,
    ):
        connection.execute("set local time zone 'UTC'")
        target.claim(connection, schema, database.location)
        sample = Sample(
            connection, schema, Path(folder), shops, customers, transactions, days, seed,
            until - timedelta(days=days), progress,
        )  # fmt: skip
        sample.write()
        progress("Setting sequences and gathering statistics")
        rows = target.finish(connection, schema)
    return SampleSummary(rows, sample.irregular, time.monotonic() - began, seed, until)


def _require_sense(shops: int, customers: int, transactions: int, days: int, seed: int) -> None:
    if shops < 1 or days < 1 or customers < 0 or transactions < 0 or seed < 0:
        raise LoyaltyError(
            "A sample needs at least 1 shop and 1 day, and no number below 0.",
            remedy="For example: --shops 3 --customers 5000 --transactions 100000",
        )
    if transactions and not customers:
        raise LoyaltyError("Transactions need customers.", remedy="Ask for at least one customer.")

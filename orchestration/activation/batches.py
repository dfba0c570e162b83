"""Writes planned changes in bounded batches: a transaction each, shops locked, looked at again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from orchestration.activation.session import ATTEMPTS, Session
from orchestration.activation.spool import Batch, batches, key_of

PARTS = 10
"""Into how many parts a batch that failed is cut, to find the rows that cannot be written."""


@dataclass(frozen=True)
class Work:
    """One kind of change.

    Attributes:
        columns: The batch's columns, in the spool's order: shop_id and the key come first.
        statements: What to count a statement's rows as, and the statement: it reads
            `pg_temp.loyalty_batch`, writes only what still differs, and returns (key, rows).
    """

    columns: sql.SQL | sql.Composed
    statements: Sequence[tuple[str, sql.SQL | sql.Composed]]


@dataclass
class Written:
    """What a kind of change came to, by key.

    Attributes:
        rows: Rows written, by what they count as and key.
        failed: Planned rows that could not be written.
        reasons: The last error of a key, in PostgreSQL's words.
    """

    rows: Counter[tuple[str, int]] = field(default_factory=Counter)
    failed: Counter[int] = field(default_factory=Counter)
    reasons: dict[int, str] = field(default_factory=dict)


def write(
    session: Session,
    schema: str,
    work: Work,
    lines: Iterable[bytes],
    wanted: Callable[[int], bool] = lambda key: True,
) -> Written:
    """Writes the wanted lines; what cannot be written is counted, and the rest goes on.

    Raises:
        LoyaltyError: The connection was lost and could not be had back. All batches before are in.
    """
    written = Written()
    for batch in batches(lines, wanted):
        _write_or_split(session, schema, work, batch, written, attempts=ATTEMPTS)
    return written


def _write_or_split(
    session: Session, schema: str, work: Work, batch: Batch, written: Written, *, attempts: int
) -> None:
    try:
        counts = session.retried(lambda: _write(session, schema, work, batch), attempts=attempts)
    except psycopg.Error as error:
        if len(batch) > 1:
            part = -(-len(batch) // PARTS)
            for start in range(0, len(batch), part):
                piece = batch[start : start + part]
                _write_or_split(session, schema, work, piece, written, attempts=1)
            return
        key = key_of(batch[0])
        written.failed[key] += 1
        written.reasons[key] = error.diag.message_primary or type(error).__name__
    else:
        written.rows.update(counts)


def _write(session: Session, schema: str, work: Work, batch: Batch) -> Counter[tuple[str, int]]:
    counts: Counter[tuple[str, int]] = Counter()
    with session.writing() as connection:
        connection.execute(
            sql.SQL("create temporary table loyalty_batch ({}) on commit drop").format(work.columns)
        )
        with connection.cursor().copy("copy pg_temp.loyalty_batch from stdin") as copy:
            copy.write(b"".join(batch))
        # One order for everybody, so that two runs wait for each other and never deadlock.
        connection.execute(
            "select pg_advisory_xact_lock(hashtextextended("
            "'loyalty.activation/' || %s || '/' || shop.shop_id, 0))"
            " from (select distinct shop_id from pg_temp.loyalty_batch order by shop_id) as shop",
            [schema],
        )
        for outcome, statement in work.statements:
            for key, rows in connection.execute(statement):
                counts[outcome, key] += rows
    return counts

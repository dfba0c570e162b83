"""Writes planned changes in bounded batches: a transaction each, shops locked, looked at again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import psycopg
from psycopg import sql

from orchestration.activation.pace import Pace, Patience
from orchestration.activation.session import ATTEMPTS, Connection, Session
from orchestration.activation.spool import Batch, batches, key_of
from orchestration.errors import LoyaltyError

PARTS = 10
"""Into how many parts a batch that failed is cut, to find the rows that cannot be written."""

SETTLED_BATCHES = 10
"""After how many batches the server is asked to have them on disk, which takes it a moment."""


@dataclass(frozen=True)
class Work:
    """One kind of change.

    Attributes:
        columns: The batch's columns, in the spool's order: shop_id and the key come first.
        statements: Each reads `pg_temp.loyalty_batch`, writes only what still differs, and
            returns what the rows count as, their key, and how many they are.
    """

    columns: sql.SQL | sql.Composed
    statements: Sequence[sql.SQL | sql.Composed]


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


@dataclass(frozen=True)
class Writer:
    """What writing takes.

    Attributes:
        session: The connection to the application's database.
        schema: The schema of its tables.
        require_lock: Is called before each batch, and raises where this run must write no more.
        pace: How fast it may go.
        patience: How much time may be lost to rows that are locked or refused.
    """

    session: Session
    schema: str
    require_lock: Callable[[], None]
    pace: Pace
    patience: Patience

    def write(
        self,
        work: Work,
        lines: Iterable[bytes],
        wanted: Callable[[int], bool] = lambda key: True,
    ) -> Written:
        """Writes the wanted lines; what cannot be written is counted, and the rest goes on.

        Raises:
            LoyaltyError: The connection was lost and could not be had back, or the writer lock
                was. All batches before are in.
        """
        written = Written()
        left = batches(lines, wanted, self.pace.most_rows)
        while some := list(islice(left, SETTLED_BATCHES)):
            if not self._is_settled(work, some, written):
                self._write_again(work, some, written)
        return written

    def _is_settled(self, work: Work, some: Sequence[Batch], written: Written) -> bool:
        """Writes batches; whether they are there to stay then.

        They may not be where the connection was lost meanwhile: if the server crashed, what it had
        not on disk yet is gone, though its commit was answered.
        """
        connections = self.session.connections
        for batch in some:
            self.pace.wait(len(batch))
            self.require_lock()
            attempts = ATTEMPTS if self.patience.is_left else 1
            self._write_or_split(work, batch, written, attempts=attempts)
        self.session.retried(self.session.settle)
        return self.session.connections == connections

    def _write_again(self, work: Work, some: Sequence[Batch], written: Written) -> None:
        """Writes batches that may be gone, one by one; of what is there, nothing is written.

        All rows but those that fail now are counted already.
        """
        failed: Counter[int] = Counter()
        for batch in some:
            for _ in range(ATTEMPTS):
                again = Written()
                if self._is_settled(work, [batch], again):
                    break
            else:
                database = self.session.database
                raise LoyaltyError(
                    f"The connection to the {database.name} at {database.location} was lost again "
                    "and again, each time within one batch.",
                    remedy="Most of what was committed stays; run the command again for the rest.",
                    is_transient=True,
                )
            failed += again.failed
            written.reasons |= again.reasons
        written.failed |= failed

    def _write_or_split(self, work: Work, batch: Batch, written: Written, *, attempts: int) -> None:
        transaction = _Transaction(self, work, batch, short_waits=attempts == 1)
        began = time.monotonic()
        try:
            counts = self.session.retried(transaction.run, attempts=attempts)
        except psycopg.Error as error:
            self.patience.lose(time.monotonic() - began)
            if len(batch) > 1 and self.patience.is_left:
                part = -(-len(batch) // PARTS)
                for start in range(0, len(batch), part):
                    piece = batch[start : start + part]
                    self._write_or_split(work, piece, written, attempts=1)
                return
            for key, rows in Counter(map(key_of, batch)).items():
                written.failed[key] += rows
                written.reasons[key] = error.diag.message_primary or type(error).__name__
        else:
            written.rows.update(counts)


class _Transaction:
    """One batch's transaction, which can be run again, also where its commit was not answered."""

    def __init__(self, writer: Writer, work: Work, batch: Batch, *, short_waits: bool) -> None:
        self._writer = writer
        self._work = work
        self._batch = batch
        self._short_waits = short_waits
        self._number: str | None = None
        self._counts: Counter[tuple[str, int]] = Counter()

    def run(self) -> Counter[tuple[str, int]]:
        """Writes the batch; gives the rows by what they count as and key."""
        with self._writer.session.writing(short_waits=self._short_waits) as connection:
            self._bring(connection)
            # The shops' locks are ours now, so an earlier attempt has ended, this way or that.
            if self._number is not None and _is_committed(connection, self._number):
                return self._counts
            self._number, self._counts = None, Counter()
            for statement in self._work.statements:
                for outcome, key, rows in connection.execute(statement):
                    self._counts[outcome, key] += rows
            row = connection.execute("select pg_current_xact_id()::text").fetchone()
            self._number = row[0] if row else None
        return self._counts

    def _bring(self, connection: Connection) -> None:
        """Brings the rows, and locks their shops."""
        connection.execute(
            sql.SQL("create temporary table loyalty_batch ({}) on commit drop").format(
                self._work.columns
            )
        )
        with connection.cursor().copy("copy pg_temp.loyalty_batch from stdin") as copy:
            copy.write(b"".join(self._batch))
        # One order for everybody, so that two runs wait for each other and never deadlock.
        connection.execute(
            "select pg_advisory_xact_lock(hashtextextended("
            "'loyalty.activation/' || %s || '/' || shop.shop_id, 0))"
            " from (select distinct shop_id from pg_temp.loyalty_batch order by shop_id) as shop",
            [self._writer.schema],
        )


def _is_committed(connection: Connection, number: str) -> bool:
    """Whether a transaction whose commit was not answered went through."""
    try:
        with connection.transaction():
            row = connection.execute("select pg_xact_status(%s::xid8)", [number]).fetchone()
    except psycopg.errors.InvalidParameterValue:  # another server answers, which knows no such one
        return False
    return row == ("committed",)

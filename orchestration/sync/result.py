"""What a sync reports: its result per table, and its progress while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestration.sync.compare import TableComparison


@dataclass(frozen=True)
class TableResult:
    """What a sync did to one table of raw.

    Attributes:
        table_name: The table.
        mode: "first load", "full pass" or "incremental".
        reason: Why that mode.
        rows_read: Rows that the source sent.
        rows_changed: Rows of raw that were inserted, updated, or lost their tombstone.
        rows_deleted: Rows of raw that became tombstones.
        live_rows: Rows of raw that are no tombstones, afterwards.
        bytes: Bytes that the source sent.
        seconds: Time spent on the table, reading and applying.
    """

    table_name: str
    mode: str
    reason: str
    rows_read: int
    rows_changed: int
    rows_deleted: int
    live_rows: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class SyncResult:
    """A committed sync.

    Attributes:
        sync_id: Its number, larger than that of every sync before it.
        snapshot_at: The source's clock at the snapshot: the natural as_of of what is built on it.
        tables: One result per table, in the order of reading.
        warnings: What the operator should know, in plain words.
        verified: How raw compares with the source, where that was asked for.
    """

    sync_id: int
    snapshot_at: datetime
    tables: Sequence[TableResult]
    warnings: Sequence[str]
    verified: Sequence[TableComparison] = ()


class Progress:
    """Is told how a sync proceeds; this one ignores it, subclasses show it.

    Tables travel side by side, so that they are told of in turns.
    """

    def waiting(self, message: str) -> None:
        """Another run holds the warehouse, and the sync waits for it."""

    def started(self, table: str, estimated_rows: int) -> None:
        """A table is about to be read; the estimate is the source planner's, 0 when unknown."""

    def advanced(self, table: str, rows: int, size: int) -> None:
        """So many more rows and bytes of the table have been written to the warehouse."""

    def finished(self, table: str) -> None:
        """The table has been read to its end."""

    def applying(self) -> None:
        """All tables have been read; the closing transaction begins."""

"""What the last sync of a table left, and whether it is enough to read only what changed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestration.sync.point import SourcePoint
from orchestration.sync.source import SourceTable

Presence = Literal["masks", "keys"]
"""How deleted rows are found: by masks of which ids exist, or by all keys."""

# Numbers of transactions are compared modulo 2^32: beyond half of that, older looks newer.
_FORGETFUL_AFTER = 2**31 - 100_000_000


@dataclass(frozen=True)
class TableMemory:
    """What the last sync of a table left for the next one.

    Attributes:
        sync_id: That sync.
        point: Where the source stood then; None where that was not recorded.
        schema: The source's schema.
        columns_version: The source table's columns, as `SourceTable` has them.
        storage_version: The source table's storage, likewise.
        raw_version: raw's table, likewise.
        presence: How its deleted rows are to be found.
        live_rows: How many rows of raw were no tombstones.
    """

    sync_id: int
    point: SourcePoint | None
    schema: str
    columns_version: str
    storage_version: str
    raw_version: str
    presence: Presence
    live_rows: int


@dataclass(frozen=True)
class FullPass:
    """Why a table has to be read and compared whole.

    Attributes:
        reason: In words that follow "because".
        scope: What the operator is to be warned about: the table, or the source; None for neither.
    """

    reason: str
    scope: Literal["table", "source"] | None = "source"


def why_full(
    source: SourceTable, point: SourcePoint, memory: TableMemory | None
) -> FullPass | None:
    """Why what the last sync left is not enough to find what changed; None where it is."""
    if memory is None or memory.point is None:
        return FullPass("no earlier sync left what an incremental one needs", None)
    if source.untracked is not None:
        return FullPass(source.untracked, "table" if "login" in source.untracked else None)
    then = memory.point
    # A role may have gained or lost the right to see the system identifier and the timeline.
    is_same_system = then.identity.system == point.identity.system or None in (
        then.identity.system,
        point.identity.system,
    )
    if not is_same_system or (then.identity.oid, memory.schema) != (
        point.identity.oid,
        source.schema,
    ):
        return FullPass("the source is another database than in the last sync")
    if then.timeline != point.timeline and None not in (then.timeline, point.timeline):
        return FullPass(
            f"the source was restored or failed over (timeline {then.timeline} then, "
            f"{point.timeline} now)"
        )
    if None in (point.started_at, point.stats_reset_at, point.wal_bytes):
        return FullPass(
            "the login may not see whether the source's server was restarted "
            "(pg_postmaster_start_time, pg_stat_bgwriter, pg_current_wal_insert_lsn)"
        )
    if (then.wal_bytes or 0) > (point.wal_bytes or 0) or then.horizon > point.next_xid:
        return FullPass("the source has gone back in time: restored, or a standby that lags")
    if (then.started_at, then.stats_reset_at) != (point.started_at, point.stats_reset_at):
        # It may have lost commits that the last sync saw, or come back from a copy of its disk.
        return FullPass("the source's server was restarted, or its statistics were reset")
    if point.next_xid - then.horizon > _FORGETFUL_AFTER:
        return FullPass("the source has had 2 billion transactions since the last sync")
    if memory.columns_version != source.columns_version:
        return FullPass("its columns or their types changed", "table")
    if memory.storage_version != source.storage_version:
        return FullPass("it was replaced or rewritten, or its partitions changed", "table")
    return None

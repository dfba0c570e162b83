"""What PostgreSQL itself takes for such rows: one plain statement, no comparison, no batches."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from benchmarks.activation.world import Changes, fill_application, require_written, want
from benchmarks.frame.servers import Servers
from orchestration.database import Database

_ROWS = """
copy (
    select segment_id, customer_id, added_at, qualification_reason, qualification_data::text
    from marts.customer_segment_memberships
    where is_active
    order by shop_id, segment_id, customer_id
) to stdout
"""

_INSERT = """
insert into customer_segment_memberships (
    segment_id, customer_id, added_at, is_active, qualification_reason, qualification_data
)
select segment_id, customer_id, added_at, true, reason, data::json from rows_to_write
"""


def measure(servers: Servers, source: str, warehouse: Database, changes: Changes) -> dict[str, Any]:
    """Inserts all rows with one statement, the rows being on the server already.

    Returns:
        The `seconds`, those of them that foreign keys took (`keys`), and the log (`wal_bytes`).

    Raises:
        GateError: The rows are not those that are wanted.
    """
    want(warehouse, changes)
    with servers.source.new_database("application", template=source) as application:
        fill_application(application, warehouse)
        with application.connect(autocommit=True) as connection, warehouse.connect() as marts:
            connection.execute(
                "create temporary table rows_to_write (segment_id integer, customer_id integer,"
                " added_at timestamptz, reason text, data text)"
            )
            with (
                marts.cursor().copy(_ROWS.encode()) as rows,
                connection.cursor().copy("copy rows_to_write from stdin") as copy,
            ):
                for block in rows:
                    copy.write(block)
            connection.execute("analyze rows_to_write")
            servers.checkpoint()
            began = time.monotonic()
            row = connection.execute(
                f"explain (analyze, buffers, wal, format json) {_INSERT}".encode()
            ).fetchone()
            seconds = time.monotonic() - began
        require_written(application, warehouse)
    assert row is not None
    plan = row[0][0]
    return {
        "seconds": seconds,
        "keys": sum(trigger["Time"] for trigger in plan["Triggers"]) / 1000,
        "wal_bytes": plan["Plan"]["WAL Bytes"],
    }


def figures(found: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of it."""
    return {f"plain insert: {name}": float(found[name]) for name in ("seconds", "keys")}

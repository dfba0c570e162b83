"""The 15 operational tables in raw as Dagster assets: one op, one snapshot."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration import operational, sync
from orchestration.defs.resources import DatabasesResource, failure
from orchestration.defs.run_config import SyncConfig
from orchestration.errors import LoyaltyError


class _Waiting(sync.Progress):
    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context

    def waiting(self, message: str) -> None:
        self._context.log.warning(message)


@dg.multi_asset(
    name="sync",
    specs=[
        dg.AssetSpec(
            dg.AssetKey(["raw", table]),
            group_name="raw",
            kinds={"postgres"},
            description=f"Mirror of the application's {table}.",
        )
        for table in sync.TABLES
    ],
)
def raw_tables(
    context: dg.AssetExecutionContext, config: SyncConfig, databases: DatabasesResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Mirrors all operational tables from one snapshot, all at once or not at all."""
    try:
        opened = databases.open()
        operational.require(opened.operational, opened.operational_schema)
        result = sync.sync(
            opened.operational,
            opened.operational_schema,
            opened.warehouse,
            full=config.full,
            allow_large_changes=config.allow_large_changes,
            progress=_Waiting(context),
        )
    except LoyaltyError as error:
        raise failure(error) from error
    for warning in result.warnings:
        context.log.warning(warning)
    for table in result.tables:
        yield dg.MaterializeResult(
            asset_key=["raw", table.table_name],
            metadata={
                "sync_id": result.sync_id,
                "snapshot_at": result.snapshot_at.isoformat(),
                "mode": table.mode,
                "reason": table.reason,
                "rows_read": table.rows_read,
                "rows_changed": table.rows_changed,
                "rows_deleted": table.rows_deleted,
                "bytes": table.bytes,
                "seconds": table.seconds,
            },
        )

"""The 15 operational tables in raw as Dagster assets and checks: one op, one snapshot."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration import operational, sync
from orchestration.defs.resources import DatabasesResource, failure
from orchestration.defs.run_config import SyncConfig
from orchestration.errors import LoyaltyError

IMAGES_KEY = dg.AssetKey(["ops", "before_images"])
"""What changed rows were before: with raw, it tells dbt which customers and shops to compute."""


class _Waiting(sync.Progress):
    def __init__(self, log: dg.DagsterLogManager) -> None:
        self._log = log

    def waiting(self, message: str) -> None:
        self._log.warning(message)


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
    ]
    + [
        dg.AssetSpec(
            IMAGES_KEY,
            group_name="ops",
            kinds={"postgres"},
            description="Keys, types and times of changed rows as they were before.",
        )
    ],
)
def raw_tables(
    context: dg.AssetExecutionContext, config: SyncConfig, databases: DatabasesResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Mirrors all operational tables from one snapshot, all at once or not at all."""
    result = _sync(context, config, databases)
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
                "dagster/row_count": table.live_rows,
                "bytes": table.bytes,
                "seconds": table.seconds,
            },
        )
    yield dg.MaterializeResult(asset_key=IMAGES_KEY, metadata={"sync_id": result.sync_id})


@dg.multi_asset_check(
    name="verify_raw",
    specs=[
        dg.AssetCheckSpec(
            "equals_source",
            asset=dg.AssetKey(["raw", table]),
            description="Syncs, then compares count and content hash with the source's snapshot.",
        )
        for table in sync.TABLES
    ],
)
def raw_checks(
    context: dg.AssetCheckExecutionContext, config: SyncConfig, databases: DatabasesResource
) -> Iterator[dg.AssetCheckResult]:
    """Compares raw with the source, on demand: both at one snapshot, so it is synced first."""
    for table in _sync(context, config, databases, verify=True).verified:
        yield dg.AssetCheckResult(
            asset_key=["raw", table.table_name],
            check_name="equals_source",
            passed=table.is_equal,
            metadata={
                "rows_in_source": table.source.rows,
                "rows_in_raw": table.mirrored.rows,
                "hash_in_source": table.source.hash,
                "hash_in_raw": table.mirrored.hash,
            },
        )


def _sync(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
    config: SyncConfig,
    databases: DatabasesResource,
    *,
    verify: bool = False,
) -> sync.SyncResult:
    try:
        opened = databases.open()
        operational.require(opened.operational, opened.operational_schema)
        result = sync.sync(
            opened.operational,
            opened.operational_schema,
            opened.warehouse,
            full=config.full,
            verify=verify,
            allow_large_changes=config.allow_large_changes,
            progress=_Waiting(context.log),
        )
    except LoyaltyError as error:
        raise failure(error) from error
    for warning in result.warnings:
        context.log.warning(warning)
    return result

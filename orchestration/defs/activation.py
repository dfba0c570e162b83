"""The write-back to the application as Dagster assets: the far end of the lineage graph."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration import activation
from orchestration.defs.resources import DatabasesResource, failure
from orchestration.defs.run_config import ActivationConfig
from orchestration.errors import LoyaltyError

WRITTEN = {
    "customer_segment_memberships": ["customer_segment_memberships"],
    "customer_segments": ["customer_segments"],
    "loyalty_analytics": ["loyalty_analytics"],
    "campaigns": ["customer_segment_memberships"],
}
"""The operational tables that are written, and the marts that each is written from."""


@dg.multi_asset(
    name="activate",
    specs=[
        dg.AssetSpec(
            dg.AssetKey(["operational", table]),
            deps=[dg.AssetKey(["marts", mart]) for mart in marts],
            group_name="operational",
            kinds={"postgres"},
            description=f"What the warehouse writes to the application's {table}.",
        )
        for table, marts in WRITTEN.items()
    ],
)
def written_back(
    context: dg.AssetExecutionContext, config: ActivationConfig, databases: DatabasesResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Writes memberships, counters, analytics and audiences back, differences only."""
    try:
        opened = databases.open()
        result = activation.activate(
            opened.operational,
            opened.operational_schema,
            opened.warehouse,
            allow_large_changes=config.allow_large_changes,
        )
    except LoyaltyError as error:
        raise failure(error) from error
    for table in WRITTEN:
        yield dg.MaterializeResult(
            asset_key=["operational", table], metadata=dict(result.metadata(table))
        )
    if result.problems:
        raise dg.Failure(
            description="Activation held or failed in part: " + "; ".join(result.problems),
            allow_retries=False,
        )

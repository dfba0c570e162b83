"""The write-back to the application: plan, brakes, apply, record; the far end of the lineage graph.

Each step that needs the writer lock takes it for itself, so it can be done again by itself.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration import activation
from orchestration.activation import Applied, Plan, Verdict
from orchestration.defs.handover import clear_handover, clear_leftovers, handover_folder
from orchestration.defs.resources import DatabasesResource, failure
from orchestration.defs.run_config import ActivationConfig, ApplyConfig, BrakesConfig
from orchestration.errors import LoyaltyError
from orchestration.settings import Settings
from orchestration.warehouse import writer_lock

MODELS = {
    "members": dg.AssetKey(["marts", "customer_segment_memberships"]),
    "segments": dg.AssetKey(["marts", "customer_segments"]),
    "analytics": dg.AssetKey(["marts", "loyalty_analytics"]),
    "contacts": dg.AssetKey(["intermediate", "int_reachable_contacts"]),
}
"""The models that are read."""

WRITTEN = {
    "customer_segment_memberships": ["members"],
    "customer_segments": ["segments"],
    "loyalty_analytics": ["analytics"],
    "campaigns": ["members", "contacts"],
}
"""The operational tables that are written, and the models that each is written from."""

SEGMENTS_SHOWN = 200
"""How many segments the metadata lists, the gravest first; ops.activation_runs has all."""


@dg.op(
    name="plan",
    ins={model: dg.In(dg.Nothing) for model in MODELS},
    out=dg.Out(io_manager_key="handover"),
)
def plan_step(context: dg.OpExecutionContext, databases: DatabasesResource) -> Plan:
    """Compares the marts with the application, and lays by what differs; writes nothing."""
    try:
        clear_leftovers()
        opened = databases.open()
        with writer_lock(opened.warehouse, waiting=context.log.warning):
            plan = activation.make_plan(
                opened.operational,
                opened.operational_schema,
                opened.warehouse,
                handover_folder(context.run_id),
            )
    except LoyaltyError as error:
        raise failure(error) from error
    context.add_output_metadata(dict(plan.metadata))
    return plan


@dg.op(name="brakes", out=dg.Out(io_manager_key="handover"))
def brakes_step(context: dg.OpExecutionContext, config: BrakesConfig, plan: Plan) -> Verdict:
    """Decides what of the plan is too large to be written unasked."""
    verdict = activation.judge(plan, allow_large_changes=config.allow_large_changes)
    context.add_output_metadata(
        {
            "segments_held": len(verdict.segments),
            "periods_held": len(verdict.periods),
            "campaigns_held": len(verdict.campaigns),
        }
    )
    return verdict


@dg.op(name="apply", out=dg.Out(io_manager_key="handover"))
def apply_step(
    context: dg.OpExecutionContext,
    config: ApplyConfig,
    databases: DatabasesResource,
    plan: Plan,
    verdict: Verdict,
) -> Applied:
    """Writes what is not held, in batches; done again, it writes what is still missing."""
    try:
        opened = databases.open()
        with writer_lock(opened.warehouse, waiting=context.log.warning) as lock:
            return activation.apply(
                opened.operational,
                opened.operational_schema,
                opened.warehouse,
                plan,
                verdict,
                lock,
                max_rows_per_second=config.max_rows_per_second or Settings().max_rows_per_second,
            )
    except LoyaltyError as error:
        raise failure(error) from error


@dg.op(name="record", out={table: dg.Out(dg.Nothing) for table in WRITTEN})
def record_step(
    context: dg.OpExecutionContext,
    databases: DatabasesResource,
    plan: Plan,
    verdict: Verdict,
    applied: Applied,
) -> Iterator[dg.Output[None]]:
    """Records what was written, per segment, and fails where something was held or failed."""
    try:
        # Without the lock: what was written must be on record, whoever writes by now.
        result = activation.record(databases.open().warehouse, plan, verdict, applied)
    except LoyaltyError as error:
        raise failure(error) from error
    clear_handover(context.run_id)
    for table in WRITTEN:
        metadata: dict[str, Any] = dict(result.metadata(table))
        if table == "customer_segment_memberships":
            metadata["segments"] = _table(result)
        yield dg.Output(None, table, metadata=metadata)
    if result.problems:
        raise dg.Failure(
            description="Activation held or failed in part: " + "; ".join(result.problems),
            metadata={
                "what_to_do": " ".join(result.advice),
                "problems": dg.MetadataValue.json(result.notable),
            },
            allow_retries=False,
        )


def _table(result: activation.ActivationResult) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "segment": entry.name,
                    "shop": entry.shop_domain,
                    "added": entry.added,
                    "removed": entry.removed,
                    "refreshed": entry.refreshed,
                    "unchanged": entry.unchanged,
                    "held": entry.held,
                    "skipped": entry.skipped,
                    "failed": entry.failed,
                    "status": entry.status,
                    "reason": entry.reason or "",
                }
            )
            for entry in result.news(SEGMENTS_SHOWN)
        ],
        schema=dg.TableSchema(
            [dg.TableColumn(name, "string") for name in ("segment", "shop")]
            + [
                dg.TableColumn(name, "int")
                for name in (
                    "added",
                    "removed",
                    "refreshed",
                    "unchanged",
                    "held",
                    "skipped",
                    "failed",
                )
            ]
            + [dg.TableColumn(name, "string") for name in ("status", "reason")]
        ),
    )


@dg.config_mapping
def _configured(config: ActivationConfig) -> dict[str, Any]:
    return {
        "brakes": {"config": {"allow_large_changes": config.allow_large_changes}},
        "apply": {"config": {"max_rows_per_second": config.max_rows_per_second}},
    }


@dg.graph(
    name="activate",
    ins={model: dg.GraphIn() for model in MODELS},
    out={table: dg.GraphOut() for table in WRITTEN},
    config=_configured,
)
def _activate(**models: Any) -> dict[str, Any]:
    plan = plan_step(**models)
    verdict = brakes_step(plan)
    recorded = record_step(plan, verdict, apply_step(plan, verdict))
    return {table: getattr(recorded, table) for table in WRITTEN}


written_back = dg.AssetsDefinition.from_graph(
    _activate,
    keys_by_input_name=MODELS,
    keys_by_output_name={table: dg.AssetKey(["operational", table]) for table in WRITTEN},
    internal_asset_deps={
        table: {MODELS[model] for model in models} for table, models in WRITTEN.items()
    },
    group_name="operational",
    descriptions_by_output_name={
        table: f"What the warehouse writes to the application's {table}." for table in WRITTEN
    },
    tags_by_output_name={table: {"dagster/kind/postgres": ""} for table in WRITTEN},
)

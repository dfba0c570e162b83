"""The dbt models as Dagster assets, their tests as checks, and the compiled rules they read."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DbtCliInvocation,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from orchestration import segments
from orchestration.build import (
    DBT_EXECUTABLE,
    dbt_build_arguments,
    dbt_environment,
    dbt_target_dir,
    is_past,
    parse_as_of,
    read_results,
    stopped_with_us,
)
from orchestration.database import Database
from orchestration.defs.dbt_metadata import ColumnMetadata, with_row_counts
from orchestration.defs.resources import DatabasesResource, failure
from orchestration.defs.run_config import BuildConfig
from orchestration.errors import LoyaltyError
from orchestration.settings import PROJECT_DIR, Settings
from orchestration.warehouse import writer_lock

DBT_SOURCES = ("dbt_project.yml", "profiles.yml", "models", "macros", "seeds", "tests/dbt")
CONNECTION_LOST = (
    "could not connect",
    "connection to server",
    "connection unexpectedly",
    "connection already closed",
    "terminating connection",
)
"""What dbt says of a model whose connection broke: PostgreSQL restarted, say."""

PLAN_KEYS = [
    dg.AssetKey(["ops", f"segment_{name}"])
    for name in (
        *("plan", "parameters", "rules"),
        *("event_plan", "event_tests", "reference_tests"),
    )
]

project = DbtProject(project_dir=PROJECT_DIR, profiles_dir=PROJECT_DIR)


def manifest_path() -> Path:
    """The dbt project's manifest as it is now: parsed anew only where a file of it is newer.

    Raises:
        LoyaltyError: dbt cannot parse the project.
    """
    manifest = project.manifest_path
    newest = max(_modified(PROJECT_DIR / name) for name in DBT_SOURCES)
    if manifest.exists() and manifest.stat().st_mtime > newest:
        return manifest
    manifest.parent.mkdir(exist_ok=True)
    # Parsed aside and moved into place: processes that start together read a whole manifest.
    with TemporaryDirectory(dir=manifest.parent, prefix=".parse-") as folder:
        process = subprocess.run(
            [DBT_EXECUTABLE, "parse", "--quiet", "--target-path", folder, "--log-path", folder],
            cwd=PROJECT_DIR,
            env={**os.environ, "DBT_USE_COLORS": "false"},
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode != 0:
            raise LoyaltyError(f"dbt cannot parse the project: {process.stdout.strip()}")
        (Path(folder) / manifest.name).replace(manifest)
    return manifest


def _modified(path: Path) -> float:
    files = path.rglob("*") if path.is_dir() else [path]
    return max(file.stat().st_mtime for file in files)


class Translator(DagsterDbtTranslator):
    """Assets are grouped by warehouse schema, so that the graph reads from raw to marts."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The warehouse schema."""
        return self.get_asset_key(dbt_resource_props).path[0]


translator = Translator()


@dg.multi_asset(
    name="compile_segment_rules",
    specs=[
        dg.AssetSpec(
            key,
            deps=[dg.AssetKey(["raw", "customer_segments"])],
            group_name="ops",
            kinds={"postgres"},
        )
        for key in PLAN_KEYS
    ],
)
def compile_segment_rules(
    context: dg.AssetExecutionContext, databases: DatabasesResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Compiles the merchants' JSON rules into the plan that the segment models read."""
    try:
        warehouse = databases.open().warehouse
        with writer_lock(warehouse, waiting=context.log.warning):
            report = segments.compile_rules(warehouse)
    except LoyaltyError as error:
        raise failure(error) from error
    for rule in report.invalid:
        context.log.info(f"segment {rule.rule.segment_id}: {rule.error}")
    if report.invalid:
        context.log.warning(
            f"Segment rules that cannot be used: {len(report.invalid)}. "
            "`loyalty segments list` says why."
        )
    metadata = {**report.statuses, "shapes": report.shapes, "rows_written": report.rows_written}
    for key in PLAN_KEYS:
        yield dg.MaterializeResult(asset_key=key, metadata=metadata)


@dbt_assets(
    manifest=manifest_path(),
    project=project,
    dagster_dbt_translator=translator,
    name="dbt_build",
)
def dbt_models(
    context: dg.AssetExecutionContext,
    config: BuildConfig,
    dbt: DbtCliResource,
    databases: DatabasesResource,
) -> Iterator[Any]:
    """Builds and tests every dbt model, in dependency order."""
    try:
        warehouse = databases.open().warehouse
        as_of = parse_as_of(config.as_of)
        # dagster-dbt reads the profile in this process, too, for the columns and their lineage.
        os.environ.update(dbt_environment(warehouse))
        folder = dbt_target_dir(Settings())
        with (
            writer_lock(warehouse, waiting=context.log.warning),
            warehouse.connect(autocommit=True) as connection,
        ):
            (folder / "run_results.json").unlink(missing_ok=True)
            past = is_past(warehouse, as_of)
            arguments = dbt_build_arguments(
                as_of=as_of,
                past=past,
                full_refresh=config.full_refresh,
                test_all_rows=config.test_all_rows,
            )
            invocation = dbt.cli(arguments, context=context, target_path=folder)
            invocation.manifest = _in_database(invocation.manifest, warehouse)
            with stopped_with_us(invocation.process):
                events = ColumnMetadata(folder, project.manifest_path).events(invocation)
                yield from with_row_counts(events, connection, {} if past else _tables(invocation))
    except LoyaltyError as error:
        raise failure(error) from error
    except DagsterDbtCliRuntimeError as error:
        raise _failure_of(folder) from error


def _failure_of(folder: Path) -> dg.Failure:
    """Why dbt failed, in one line per model or test; retried only where a connection was lost."""
    results = folder / "run_results.json"
    failures = read_results(results).failures if results.exists() else []
    return dg.Failure(
        description="\n".join(failures) or "dbt stopped before it built anything.",
        metadata={"what_to_do": f"dbt's log says more: {folder / 'dbt.log'}"},
        allow_retries=any(lost in line for lost in CONNECTION_LOST for line in failures),
    )


def _in_database(manifest: Mapping[str, Any], warehouse: Database) -> dict[str, Any]:
    """The manifest, which was parsed with no database at hand, with the warehouse's name in it."""
    name = dbt_environment(warehouse)["LOYALTY_DBT_DBNAME"]
    return {
        **manifest,
        **{
            kind: {key: {**node, "database": name} for key, node in manifest[kind].items()}
            for kind in ("nodes", "sources")
        },
    }


def _tables(invocation: DbtCliInvocation) -> dict[str, tuple[str, str]]:
    """Schema and name of every relation that is not a view, by its asset's output name."""
    return {
        translator.get_asset_key(node).to_python_identifier(): (node["schema"], node["alias"])
        for node in invocation.manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed") and node["config"]["materialized"] != "view"
    }


def dbt_resource() -> DbtCliResource:
    """The dbt of this environment, on this checkout."""
    return DbtCliResource(project_dir=project, dbt_executable=DBT_EXECUTABLE)

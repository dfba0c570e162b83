"""Runs the Dagster job in this process, as a run that the Dagster UI lists."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from orchestration.build import stop_dbt
from orchestration.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

T = TypeVar("T")

PROGRESS_LOGGER = "loyalty.progress"
"""The Python logger that hears the events of a run in this process; silent without a handler."""


COMMAND_TAG = "loyalty/command"
"""On a run that a command started: the command waits for its end, and tells of it."""


@dataclass(frozen=True)
class RunOptions:
    """What `loyalty run` was asked for; see the command's help."""

    as_of: str | None = None
    full_refresh: bool = False
    activate: bool = True
    allow_large_changes: bool = False
    max_rows_per_second: int | None = None


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        run_id: Dagster's id of the run.
        success: Whether every step succeeded.
        failures: For each failed step, its name and why, in plain words.
        failed_steps: The steps that failed, by Dagster's names.
        problems: What activation held back or could not write, in ids and counts.
        failed_checks: The dbt tests that failed as errors.
        warned_checks: The dbt tests that failed as warnings.
        passed_checks: How many dbt tests passed.
        built: How many relations were built.
    """

    run_id: str
    success: bool
    failures: Sequence[str]
    failed_checks: Sequence[str]
    warned_checks: Sequence[str]
    passed_checks: int
    built: int
    failed_steps: Sequence[str] = ()
    problems: Sequence[Mapping[str, Any]] = ()


def dagster_home(settings: Settings) -> Path:
    """Dagster's home below LOYALTY_HOME, made with our dagster.yaml where it is missing.

    Sets DAGSTER_HOME for this process and its children, unless the user has set it already.

    Raises:
        LoyaltyError: LOYALTY_HOME cannot be written.
    """
    if configured := os.environ.get("DAGSTER_HOME"):
        return Path(configured)
    home = settings.folder("dagster")
    configuration = home / "dagster.yaml"
    if not configuration.exists():
        configuration.write_text(
            (resources.files("orchestration") / "dagster.yaml").read_text(encoding="utf-8")
        )
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def run(settings: Settings, options: RunOptions) -> RunResult:
    """Executes sync → build → activate once.

    Importing Dagster and the definitions takes seconds, so it happens here and not at import.

    Raises:
        LoyaltyError: LOYALTY_HOME cannot be written.
        BaseException: What a signal handler raised. dbt has ended and the run is recorded as
            canceled; the process must end now, as the step that was under way is not told.
    """
    home = dagster_home(settings)
    import dagster as dg
    from dagster._core.utils import make_new_run_id

    from orchestration.definitions import defs

    job = defs.resolve_job_def("loyalty_run")
    steps = {
        "sync": {"config": {"allow_large_changes": options.allow_large_changes}},
        "dbt_build": {"config": {"as_of": options.as_of, "full_refresh": options.full_refresh}},
        "activate": {
            "config": {
                "allow_large_changes": options.allow_large_changes,
                "max_rows_per_second": options.max_rows_per_second,
            }
        },
    }
    selection = None
    if not options.activate:
        del steps["activate"]
        selection = [
            key for key in job.asset_layer.executable_asset_keys if key.path[0] != "operational"
        ]
    run_id = make_new_run_id()
    with _instance(home) as instance:

        def execute() -> dg.ExecuteInProcessResult:
            return job.execute_in_process(
                run_config={"ops": steps, "loggers": {"progress": {}}},
                instance=instance,
                raise_on_error=False,
                asset_selection=selection,
                tags={COMMAND_TAG: "run"},
                run_id=run_id,
            )

        outcome = _in_thread(execute)
        try:
            result = outcome.result()
        except BaseException:
            if not outcome.done():  # a signal: it was not the run that raised
                logging.getLogger(PROGRESS_LOGGER).disabled = True
                stop_dbt()
                if (begun := instance.get_run_by_id(run_id)) and not begun.is_finished:
                    instance.report_run_canceled(begun)
            raise
    evaluations = result.get_asset_check_evaluations()
    failed = [check for check in evaluations if not check.passed]
    blocking = [c for c in failed if c.severity == dg.AssetCheckSeverity.ERROR]
    failures = [event for event in result.all_events if event.is_step_failure]
    return RunResult(
        run_id=result.run_id,
        success=result.success and not blocking,
        failures=[f"{event.step_key}: {_plain(event)}" for event in failures],
        failed_steps=[event.step_key for event in failures if event.step_key],
        problems=[problem for event in failures for problem in problems_of(event)],
        failed_checks=[c.check_name for c in blocking],
        warned_checks=[c.check_name for c in failed if c not in blocking],
        passed_checks=sum(check.passed for check in evaluations),
        built=sum(
            1
            for event in result.all_events
            if event.is_step_materialization
            and event.asset_key is not None
            and event.asset_key.path[0] not in ("raw", "ops", "operational")
        ),
    )


def _instance(home: Path) -> dg.DagsterInstance:
    """The recording instance, which leaves this process's output where it goes."""
    import dagster as dg
    from dagster._core.instance import InstanceRef

    compute_logs = {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
    return dg.DagsterInstance.from_ref(
        InstanceRef.from_dir(str(home), overrides={"compute_logs": compute_logs})
    )


def _in_thread(work: Callable[[], T]) -> Future[T]:
    """Runs beside the main thread, where signals arrive: there, Dagster would swallow some."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, name="loyalty-run", daemon=True).start()
    return outcome


def problems_of(event: dg.DagsterEvent) -> Sequence[Mapping[str, Any]]:
    """What activation held back or could not write, as the failure of its step tells."""
    data = event.step_failure_data.user_failure_data
    found = data.metadata.get("problems") if data else None
    return found.value if found else []  # type: ignore[return-value]


def _plain(event: object) -> str:
    data = event.step_failure_data  # type: ignore[attr-defined]
    if data.user_failure_data and data.user_failure_data.description:
        remedy = data.user_failure_data.metadata.get("what_to_do")
        text = str(data.user_failure_data.description)
        return f"{text}\n{remedy.value}" if remedy else text
    cause = data.error.cause or data.error if data.error else None
    return str(cause.message).strip() if cause else "failed without saying why"

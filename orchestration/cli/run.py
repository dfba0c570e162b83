"""`loyalty run`: sync → build → activate, once, as a run that Dagster records."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich.status import Status

from orchestration import build
from orchestration import run as runner
from orchestration.cli import _summary
from orchestration.cli._frame import (
    Json,
    RowsPerSecond,
    err,
    failures_told,
    out,
    print_json,
    settings,
)
from orchestration.databases import open_databases
from orchestration.notification import Notice, notify
from orchestration.settings import Settings

STEPS = {
    "sync": "Mirroring the application's tables",
    "compile_segment_rules": "Compiling the segment rules",
    "dbt_build": "Building and testing the models",
    "activate.plan": "Comparing with the application",
    "activate.apply": "Writing back to the application",
    "activate.record": "Checking that all was written back",
}


def run(
    as_of: Annotated[
        str | None, typer.Option(help="Build as of this instant (ISO 8601); default: now.")
    ] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Recompute every model from raw.")
    ] = False,
    no_activate: Annotated[
        bool, typer.Option("--no-activate", help="Write nothing back to the application.")
    ] = False,
    allow_large_changes: Annotated[
        bool, typer.Option("--allow-large-changes", help="Let through what the brakes would hold.")
    ] = False,
    max_rows_per_second: RowsPerSecond = None,
    json: Json = False,
) -> None:
    """Sync, build and activate, once, as one recorded Dagster run."""
    execute(
        runner.RunOptions(
            as_of=build.parse_as_of(as_of),
            full_refresh=full_refresh,
            activate=not no_activate,
            allow_large_changes=allow_large_changes,
            max_rows_per_second=max_rows_per_second,
        ),
        json=json,
    )


def execute(options: runner.RunOptions, *, json: bool) -> None:
    """Runs the job, shows its progress, and prints what came out.

    Raises:
        typer.Exit: With code 1 where a step or a blocking test failed.
        LoyaltyError: A database cannot be used.
    """
    effective = settings()
    with failures_told(effective, "run"):
        result = _run(effective, options, json=json)
    if not result.success:
        notify(
            effective,
            Notice(
                "run", result.run_id, result.failed_steps, result.failed_checks, result.problems
            ),
        )
        raise typer.Exit(1)


def _run(effective: Settings, options: runner.RunOptions, *, json: bool) -> runner.RunResult:
    opened = open_databases(effective)
    # A wrong URL or password is said now, in a second, and not by a stack of Dagster events.
    opened.warehouse.connect().close()
    opened.operational.connect().close()
    if options.activate and build.is_past(opened.warehouse, options.as_of):
        err.print(
            "The marts show a later time: this goes to the schemas <name>_asof, "
            "and nothing is written back."
        )
        options = replace(options, activate=False)
    # dbt's own output, which dagster-dbt passes on, is in LOYALTY_HOME/dbt/dbt.log.
    with _progress(quiet=json), redirect_stdout(io.StringIO()):
        result = runner.run(effective, options)
    if json:
        print_json({**asdict(result), "summary": _summary.collect(opened.warehouse)})
    else:
        _print(result)
    return result


def _print(result: runner.RunResult) -> None:
    checks = f"{result.passed_checks} tests passed"
    if result.warned_checks:
        checks += f", {len(result.warned_checks)} warned"
    if result.failed_checks:
        checks += f", {len(result.failed_checks)} failed"
    state = "[green]succeeded[/]" if result.success else "[bold red]failed[/]"
    out.print(f"Run {result.run_id[:8]} {state}: {result.built} relations built, {checks}.")
    for name in result.warned_checks:
        out.print(f"  warned  {name}", markup=False)
    for name in result.failed_checks:
        err.print(f"  failed  {name}", markup=False)
    for failure in result.failures:
        err.print(f"  failed  {failure}".replace("\n", "\n          "), markup=False)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[None]:
    """Shows the running step: a live line in a terminal, one line per step otherwise."""
    logger = logging.getLogger(runner.PROGRESS_LOGGER)
    # What Dagster's libraries say outside of a step would go to the terminal, stacks and all.
    logging.getLogger("dagster").addHandler(logging.NullHandler())
    if quiet:
        yield
        return
    with err.status("Starting …") as status:
        handler = _ProgressHandler(status)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)


class _ProgressHandler(logging.Handler):
    def __init__(self, status: Status) -> None:
        super().__init__()
        self._status = status
        self._built = 0

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is None:
            # Errors and stacks are for Dagster's UI: what failed is said at the end, plainly.
            if record.levelno == logging.WARNING and not record.exc_info:
                err.print(getattr(record, "dagster_meta", {})["orig_message"], markup=False)
            return
        step = STEPS.get(event.step_key or "")
        if event.is_step_start and step:
            self._built = 0
            self._show(f"{step} …")
        elif event.is_step_materialization and event.step_key == "dbt_build":
            self._built += 1
            self._status.update(f"{step} … {self._built} built, {event.asset_key.path[-1]}")
        elif event.is_step_success and step:
            seconds = event.step_success_data.duration_ms / 1000
            err.print(f"[green]✓[/] {step} [dim]{seconds:.1f} s[/]")
        elif event.is_step_restarted or event.is_step_up_for_retry:
            err.print(f"[yellow]↻[/] {step}: trying again in a moment")
        elif event.is_step_failure and step:
            err.print(f"[red]✗[/] {step}")

    def _show(self, text: str) -> None:
        if sys.stderr.isatty():
            self._status.update(text)

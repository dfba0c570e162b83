"""The dbt side of a build: its connection, its arguments, and what came out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import errors

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.settings import PROJECT_DIR, Settings

DBT_EXECUTABLE = str(Path(sys.executable).with_name("dbt"))
"""The dbt of this very environment, whatever the PATH says."""

LINES_KEPT = 40
"""How much of what dbt says last is kept, to tell why it stopped."""

STOP_SECONDS = 15.0
"""How long dbt has to cancel its queries when it is told to stop."""

TOLD_SECONDS = 3.0
"""How long dbt has to end by itself, where the signal that stopped us reached it, too."""

_running: set[subprocess.Popen[Any]] = set()


@dataclass(frozen=True)
class BuildResult:
    """What one `dbt build` did.

    Attributes:
        counts: Nodes per status, such as {"success": 40, "pass": 120, "warn": 1}.
        failures: One line per failed or skipped-by-error node: its name and dbt's message.
        seconds: How long dbt took.
    """

    counts: Mapping[str, int]
    failures: Sequence[str]
    seconds: float


def dbt_environment(warehouse: Database) -> dict[str, str]:
    """The connection fields that profiles.yml reads, the password among them."""
    fields = warehouse.fields
    return {
        "LOYALTY_DBT_HOST": fields.get("host", "localhost"),
        "LOYALTY_DBT_PORT": fields.get("port", "5432"),
        "LOYALTY_DBT_USER": fields.get("user", ""),
        "LOYALTY_DBT_DBNAME": fields.get("dbname", fields.get("user", "")),
        "LOYALTY_DBT_SSLMODE": fields.get("sslmode", "prefer"),
        "DBT_ENV_SECRET_LOYALTY_PASSWORD": fields.get("password", ""),
        # What profiles.yml does not name reaches libpq by its own variables.
        **{
            f"PG{name.upper()}": fields[name]
            for name in ("sslrootcert", "sslcert", "sslkey")
            if name in fields
        },
    }


def dbt_target_dir(settings: Settings) -> Path:
    """Where dbt leaves artifacts and log: below LOYALTY_HOME, kept, so that parsing is partial.

    Raises:
        LoyaltyError: LOYALTY_HOME cannot be written.
    """
    return settings.folder("dbt")


def parse_as_of(text: str | None) -> str | None:
    """An instant in ISO 8601 with its offset; one without an offset is UTC.

    Raises:
        LoyaltyError: The text is not an instant.
    """
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise LoyaltyError(
            f"--as-of {text!r} is not an instant.",
            remedy="Write it as 2026-03-31 or 2026-03-31T22:00:00+02:00.",
        ) from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat()


def is_past(warehouse: Database, as_of: str | None) -> bool:
    """Whether `as_of` is before what the marts show already: it is built beside them (`_asof`)."""
    if as_of is None:
        return False
    with warehouse.connect() as connection:
        try:
            row = connection.execute(
                "select coalesce(max(as_of) > %s::timestamptz, false) from ops.model_watermarks",
                [as_of],
            ).fetchone()
        except errors.UndefinedTable:
            return False
    return bool(row and row[0])


def dbt_build_arguments(
    *,
    as_of: str | None = None,
    past: bool = False,
    full_refresh: bool = False,
    test_all_rows: bool = False,
    select: str | None = None,
) -> list[str]:
    """The arguments after `dbt` for one build.

    Args:
        as_of: As `parse_as_of` gives it; None means the last sync's snapshot.
        past: Whether to build into schemas `<name>_asof`, as `is_past` tells.
        full_refresh: Whether every model is recomputed from raw.
        test_all_rows: Whether tests read all rows, also those that the build does not touch.
        select: A dbt selector; None builds everything.
    """
    # Unit tests prove the code, not the data: they run with the project's tests.
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    variables: dict[str, str | bool] = {}
    if as_of is not None:
        variables["as_of"] = as_of
    if test_all_rows:
        variables["test_all_rows"] = True
    if variables:
        arguments += ["--vars", json.dumps(variables)]
    if past:
        arguments += ["--target", "asof"]
    if full_refresh:
        arguments.append("--full-refresh")
    if select is not None:
        # Of the tests, those that need no relation outside the selection and its ancestors.
        arguments += ["--select", select, "--indirect-selection", "buildable"]
    return arguments


def run_dbt(
    warehouse: Database, arguments: Sequence[str], *, target_dir: Path, quiet: bool
) -> BuildResult:
    """Runs dbt as a child process in the checkout and reads its results.

    Args:
        warehouse: Where dbt builds.
        arguments: As `dbt_build_arguments` gives them.
        target_dir: Where dbt leaves its artifacts and log.
        quiet: Whether dbt's own output is kept from the terminal.

    Raises:
        LoyaltyError: dbt could not start, or stopped before it ran a model.
    """
    results_file = target_dir / "run_results.json"
    results_file.unlink(missing_ok=True)
    environment = {
        **os.environ,
        **dbt_environment(warehouse),
        "DBT_TARGET_PATH": str(target_dir),
        "DBT_LOG_PATH": str(target_dir),
        "DBT_USE_COLORS": str(not quiet and sys.stdout.isatty()).lower(),
    }
    process = subprocess.Popen(
        [DBT_EXECUTABLE, *arguments],
        cwd=PROJECT_DIR,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    # Through us, so that what dbt says of being stopped, stack and all, is not shown.
    said: deque[str] = deque(maxlen=LINES_KEPT)
    with stopped_with_us(process):
        for line in process.stdout or ():
            said.append(line)
            if not quiet:
                sys.stdout.write(line)
                sys.stdout.flush()
        process.wait()
    if not results_file.exists():
        raise LoyaltyError(
            f"dbt stopped before it built anything: {_reason(said)}",
            remedy=f"Its whole log: {target_dir / 'dbt.log'}",
        )
    return read_results(results_file)


def _reason(said: Iterable[str]) -> str:
    """What dbt said after "Encountered an error", in one line; all of it where it said no such."""
    lines = [" ".join(line.split()) for line in said if line.strip()]
    starts = [n for n, line in enumerate(lines) if line.endswith("Encountered an error:")]
    return " ".join(lines[starts[-1] + 1 :] if starts else lines) or "it said nothing"


@contextmanager
def stopped_with_us(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Leaves no dbt behind that goes on writing, however the block ends."""
    _running.add(process)
    try:
        yield
    finally:
        _running.discard(process)
        _stop(process)


def stop_dbt() -> None:
    """Ends every dbt that this process has running, from whichever thread."""
    for process in tuple(_running):
        _stop(process)


def _stop(process: subprocess.Popen[Any]) -> None:
    # Ctrl-C in a terminal has told dbt already, and a second one would keep it from cancelling its
    # queries: it is told only where it does not end by itself.
    for tell in (None, signal.SIGINT, signal.SIGKILL):
        if tell is not None:
            process.send_signal(tell)
        try:
            process.wait(TOLD_SECONDS if tell is None else STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def read_results(results_file: Path) -> BuildResult:
    """Summarises dbt's run_results.json."""
    document = json.loads(results_file.read_text())
    counts: dict[str, int] = {}
    failures: list[str] = []
    for result in document["results"]:
        status = str(result["status"])
        counts[status] = counts.get(status, 0) + 1
        if status in ("error", "fail", "runtime error"):
            message = " ".join(str(result.get("message") or "").split())
            failures.append(f"{result['unique_id'].split('.', 2)[2]}: {message}")
    return BuildResult(counts, failures, float(document["elapsed_time"]))

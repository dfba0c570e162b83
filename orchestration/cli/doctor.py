"""`loyalty doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import typer
from rich.table import Table

from orchestration import activation
from orchestration.cli._frame import Json, databases, out, print_json, settings
from orchestration.database import Database
from orchestration.databases import Databases
from orchestration.errors import LoyaltyError
from orchestration.settings import Settings
from orchestration.warehouse import require_direct

Level = Literal["ok", "warning", "problem"]
MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[red]✗[/]"}
LOW_DISK_BYTES = 2 * 1024**3
STALE_HOURS = 26


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what it is, how it stands, and what to do."""

    level: Level
    subject: str
    detail: str
    remedy: str = ""


def doctor(json: Json = False) -> None:
    """Check connections, versions, privileges, schema, disk and freshness."""
    effective = settings()
    findings = [*_configuration(effective), *_disk(effective), *_databases()]
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for finding in findings:
            detail = f"{finding.detail}\n{finding.remedy}" if finding.remedy else finding.detail
            table.add_row(MARKS[finding.level], finding.subject, detail)
        out.print(table)
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)


def _configuration(effective: Settings) -> Iterator[Finding]:
    yield Finding("ok", "LOYALTY_HOME", str(effective.home))
    yield Finding("ok", "LOYALTY_OPERATIONAL_SCHEMA", effective.operational_schema)
    for name, url in (
        ("LOYALTY_OPERATIONAL_URL", effective.operational_url),
        ("LOYALTY_WAREHOUSE_URL", effective.warehouse_url),
    ):
        yield Finding("ok", name, "set (hidden)" if url else "not set: the embedded server")
    rate = effective.max_rows_per_second
    yield Finding("ok", "LOYALTY_MAX_ROWS_PER_SECOND", f"{rate:,}" if rate else "not set: no limit")
    yield from _webhook(effective)


def _webhook(effective: Settings) -> Iterator[Finding]:
    if effective.webhook_url is None:
        yield Finding("ok", "LOYALTY_WEBHOOK_URL", "not set: nobody is told of failures")
        return
    yield Finding("ok", "LOYALTY_WEBHOOK_URL", "set (hidden)")
    if effective.webhook_secret is None:
        remedy = "Set it, and check the header Loyalty-Signature where the messages arrive."
        yield Finding("warning", "LOYALTY_WEBHOOK_SECRET", "not set: nothing is signed", remedy)
    else:
        yield Finding("ok", "LOYALTY_WEBHOOK_SECRET", "set (hidden)")


def _disk(effective: Settings) -> Iterator[Finding]:
    folder = effective.home.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GiB free at {folder}"
    if free < LOW_DISK_BYTES:
        yield Finding("problem", "disk", text, "Free some space: PostgreSQL stops when it is full.")
    else:
        yield Finding("ok", "disk", text)


def _databases() -> Iterator[Finding]:
    try:
        opened = databases()
    except LoyaltyError as error:
        yield Finding("problem", "embedded server", error.problem, error.remedy)
        return
    yield from _guarded("operational database", lambda: _version(opened.operational))
    yield from _guarded("operational schema", lambda: _schema(opened))
    yield from _write_back(opened)
    yield from _guarded("warehouse", lambda: _version(opened.warehouse))
    yield from _guarded("warehouse privileges", lambda: _privileges(opened.warehouse))
    yield from _guarded("freshness", lambda: _freshness(opened.warehouse))


def _guarded(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except LoyaltyError as error:
        yield Finding("problem", subject, error.problem, error.remedy)


def _version(database: Database) -> Iterator[Finding]:
    with database.connect() as connection:
        version = connection.info.parameter_status("server_version")
    yield Finding("ok", database.name, f"{database.location}, PostgreSQL {version}")


def _schema(opened: Databases) -> Iterator[Finding]:
    # Not above: SQLAlchemy takes long to import, and most commands do without it.
    from orchestration import operational

    differences = operational.check(opened.operational, opened.operational_schema)
    errors = [difference for difference in differences if difference.severity == "error"]
    if errors:
        detail = f"{len(errors)} differences stop the sync, the first: {errors[0]}"
        yield Finding("problem", "operational schema", detail, "See loyalty operational check.")
    else:
        yield Finding("ok", "operational schema", "has all 15 tables as the warehouse needs them")


def _write_back(opened: Databases) -> Iterator[Finding]:
    try:
        activation.require_privileges(opened.operational, opened.operational_schema)
    except LoyaltyError as error:
        yield Finding("warning", "write-back", error.problem, error.remedy)
    else:
        yield Finding("ok", "write-back", "the role may do all that `loyalty activate` does")


def _privileges(warehouse: Database) -> Iterator[Finding]:
    with warehouse.connect() as connection:
        require_direct(connection, warehouse)
        row = connection.execute(
            "select has_database_privilege(current_database(), 'create'), "
            "current_setting('transaction_read_only')::boolean"
        ).fetchone()
    may_create, is_read_only = row or (False, False)
    if not may_create:
        remedy = "grant create on database <warehouse> to <role>"
        yield Finding("problem", "warehouse privileges", "may not create schemas", remedy)
    elif is_read_only:
        remedy = "Use the primary server, or turn default_transaction_read_only off."
        yield Finding("problem", "warehouse privileges", "is read-only", remedy)
    else:
        yield Finding("ok", "warehouse privileges", "may create schemas")


def _freshness(warehouse: Database) -> Iterator[Finding]:
    with warehouse.connect() as connection:
        known = connection.execute("select to_regclass('ops.sync_runs') is not null").fetchone()
        row = (
            connection.execute(
                "select max(snapshot_at), extract(epoch from now() - max(snapshot_at)) / 3600 "
                "from ops.sync_runs"
            ).fetchone()
            if known and known[0]
            else None
        )
    if row is None or row[0] is None:
        yield Finding("warning", "freshness", "nothing has been synced yet", "Run loyalty run.")
    elif row[1] > STALE_HOURS:
        detail = f"last synced {row[1]:.0f} hours ago ({row[0]:%Y-%m-%d %H:%M} UTC)"
        yield Finding("warning", "freshness", detail, "Run loyalty run, or start loyalty dev.")
    else:
        yield Finding("ok", "freshness", f"synced {row[0]:%Y-%m-%d %H:%M} UTC")

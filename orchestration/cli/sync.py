"""`loyalty sync`: mirror the operational tables into raw, with a bar per table in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich import progress as rich_progress

from orchestration import sync as mirror
from orchestration.cli._frame import Json, databases, err, out, print_json
from orchestration.sync import SyncResult, TableComparison


def sync(
    table: Annotated[
        list[str] | None,
        typer.Option(help="Only this table; may be given again. Leaves raw mixed: no build."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read whole tables, whatever earlier syncs read.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Compare counts and a content hash with the source after."),
    ] = False,
    allow_large_changes: Annotated[
        bool,
        typer.Option("--allow-large-changes", help="Let more than half of a table vanish."),
    ] = False,
    json: Json = False,
) -> None:
    """Make raw equal to the operational tables as of one consistent snapshot."""
    # Not above: SQLAlchemy takes long to import, and most commands do without it.
    from orchestration import operational

    found = databases()
    operational.require(found.operational, found.operational_schema)
    with _Shown(quiet=json) as progress:
        result = mirror.sync(
            found.operational,
            found.operational_schema,
            found.warehouse,
            tables=table,
            full=full,
            verify=verify,
            allow_large_changes=allow_large_changes,
            progress=progress,
        )
    if json:
        document: dict[str, Any] = asdict(result)
        if verify:
            document["verified"] = [{**asdict(c), "is_equal": c.is_equal} for c in result.verified]
        else:
            del document["verified"]
        print_json(document)
    else:
        _print(result)
        _print_comparison(result.verified)
    if not all(comparison.is_equal for comparison in result.verified):
        raise typer.Exit(1)


class _Shown(mirror.Progress):
    """Shows a sync's progress: a bar per table in a terminal, nothing but waiting elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._bars = rich_progress.Progress(
            rich_progress.TextColumn("{task.description:<30}"),
            rich_progress.BarColumn(bar_width=24),
            rich_progress.TextColumn("{task.fields[amount]:>30}"),
            rich_progress.TimeElapsedColumn(),
            console=err,
            disable=quiet or not err.is_terminal,
        )
        self._tasks: dict[str, rich_progress.TaskID] = {}

    def __enter__(self) -> _Shown:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def waiting(self, message: str) -> None:
        err.print(message, markup=False)

    def started(self, table: str, estimated_rows: int) -> None:
        self._tasks[table] = self._bars.add_task(
            table, total=estimated_rows or None, amount="", rows=0, size=0
        )

    def advanced(self, table: str, rows: int, size: int) -> None:
        fields = self._bars.tasks[self._tasks[table]].fields
        rows, size = fields["rows"] + rows, fields["size"] + size
        amount = f"{rows:,} rows {size / 1e6:,.1f} MB"
        self._bars.update(self._tasks[table], completed=rows, rows=rows, size=size, amount=amount)

    def finished(self, table: str) -> None:
        # The total was an estimate: the bar ends where the table did.
        task = self._tasks[table]
        rows = max(self._bars.tasks[task].fields["rows"], 1)
        self._bars.update(task, total=rows, completed=rows)
        self._bars.stop_task(task)

    def applying(self) -> None:
        self._bars.add_task("making it visible", total=None, amount="")


def _print(result: SyncResult) -> None:
    for table in result.tables:
        out.print(
            f"{table.table_name:<30} {table.mode:<11} {table.rows_read:>11,} read "
            f"{table.rows_changed:>11,} changed {table.rows_deleted:>9,} deleted "
            f"{table.bytes / 1e6:>8,.1f} MB {table.seconds:>7.1f} s",
            markup=False,
        )
    for warning in result.warnings:
        err.print("[yellow]Warning:[/] ", end="")
        err.print(warning, markup=False)
    out.print(
        f"Sync {result.sync_id}: raw equals the operational tables as of "
        f"{result.snapshot_at:%Y-%m-%d %H:%M:%S} UTC."
    )


def _print_comparison(compared: Sequence[TableComparison]) -> None:
    for comparison in compared:
        if not comparison.is_equal:
            err.print(
                f"{comparison.table_name} differs: {comparison.source.rows:,} rows in the "
                f"operational database, {comparison.mirrored.rows:,} in raw, or other contents.",
                markup=False,
            )
    if compared and all(comparison.is_equal for comparison in compared):
        out.print(f"Verified: {len(compared)} tables are equal in count and content.")
    elif compared:
        err.print("Mend raw with `loyalty sync --full`, and please report how it came to this.")

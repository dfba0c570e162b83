"""`loyalty demo`: the main job on the embedded server, with sample data."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestration import sample
from orchestration.cli import _summary
from orchestration.cli import run as run_command
from orchestration.cli._frame import Json, err, out, settings
from orchestration.databases import Databases, open_databases
from orchestration.errors import LoyaltyError
from orchestration.run import RunOptions

NEXT = """
[bold]Where to look next[/]
  {loyalty} segments list      every segment, its size, and the rules that cannot be used
  {loyalty} db psql warehouse  query the marts: select * from marts.loyalty_analytics limit 5;
  {loyalty} dev                Dagster's UI: this run, the lineage graph, the checks
"""
TITLES = {
    "synced": "Rows mirrored from the application",
    "shops": "Points outstanding per shop",
    "last_month": "The last complete month",
    "largest_segments": "The five largest segments",
    "invalid_rules": "Segment rules that cannot be used",
    "written_back": "Written back to the application",
}
HEADINGS = {
    "new_customers": "new",
    "active_customers": "active",
    "points_earned": "earned",
    "points_redeemed": "redeemed",
    "total_revenue": "revenue",
    "loyalty_revenue": "by loyalty",
}


def demo(
    shops: Annotated[int, typer.Option(min=1, help="Shops of the sample program.")] = 3,
    customers: Annotated[int, typer.Option(min=1, help="Customers, of all shops together.")] = 5000,
    transactions: Annotated[
        int, typer.Option(min=0, help="Point transactions, of all shops together.")
    ] = 100_000,
    seed: Annotated[int, typer.Option(help="Another seed gives another program.")] = 1,
    json: Json = False,
) -> None:
    """Run everything once on sample data in an embedded PostgreSQL, and say what came out.

    Run again, it keeps the sample data and runs the pipeline on it.
    """
    # Not above: SQLAlchemy takes long to import, and most commands do without it.
    from orchestration import operational

    effective = settings()
    if effective.operational_url or effective.warehouse_url:
        raise LoyaltyError(
            "loyalty demo works on the embedded server only, and LOYALTY_OPERATIONAL_URL or "
            "LOYALTY_WAREHOUSE_URL is set.",
            remedy="Unset them, or use loyalty run on your own databases.",
        )
    with err.status("Starting the embedded PostgreSQL …"):
        opened = open_databases(effective)
        operational.create(opened.operational, opened.operational_schema)
    _fill(opened, shops, customers, transactions, seed)
    if json:
        run_command.execute(RunOptions(), json=True)
        return
    try:
        run_command.execute(RunOptions(), json=False)
    except typer.Exit:
        _show(opened)
        raise
    _show(opened)
    out.print(NEXT.format(loyalty=_as_typed()))


def _fill(opened: Databases, shops: int, customers: int, transactions: int, seed: int) -> None:
    with opened.operational.connect() as connection:
        row = connection.execute("select count(*) from shops").fetchone()
    if row and row[0]:
        err.print("Sample data is there already; using it.")
        return
    with err.status("Writing sample data …"):
        made = sample.generate(
            opened.operational,
            opened.operational_schema,
            shops=shops,
            customers=customers,
            transactions=transactions,
            seed=seed,
        )
    err.print(f"[green]✓[/] Sample data written [dim]{made.seconds:.1f} s[/]")


def _as_typed() -> str:
    """How this very command is reached from the working directory."""
    on_path = shutil.which("loyalty")
    called = Path(sys.argv[0]).absolute()
    if on_path and Path(on_path).samefile(called):
        return "loyalty"
    return os.path.relpath(called)


def _show(opened: Databases) -> None:
    parts = _summary.collect(opened.warehouse)
    for name, title in TITLES.items():
        _summary.show(title, parts.get(name, []), HEADINGS)

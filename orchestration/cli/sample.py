"""`loyalty sample`: fill an empty operational database with sample data."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from orchestration import sample as sample_data
from orchestration.cli._frame import Json, databases, err, out, print_json


def sample(
    shops: Annotated[int, typer.Option(min=1, help="How many shops.")],
    customers: Annotated[int, typer.Option(min=0, help="How many customers in all shops.")],
    transactions: Annotated[int, typer.Option(min=0, help="How many point transactions.")],
    days: Annotated[int, typer.Option(min=1, help="How many days of history.")] = 730,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same data.")] = 1,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="The data ends as this day begins (UTC).",
            show_default="today",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fill an empty operational database with a loyalty program's data.

    The tables must be there (loyalty operational create) and empty. The same numbers, seed and
    --until give the same data; a small share of it is wrong as real data is wrong, and counted.
    """
    opened = databases()
    with err.status("Planning the sample") as status:
        summary = sample_data.generate(
            opened.operational,
            opened.operational_schema,
            shops=shops,
            customers=customers,
            transactions=transactions,
            days=days,
            seed=seed,
            until=until.date() if until else None,
            progress=status.update,
        )
    if as_json:
        print_json(asdict(summary))
        return
    _show("Table", "Rows", summary.rows)
    out.print()
    _show("Declared irregularity", "Rows", summary.irregular)
    out.print(
        f"\nSample of seed {summary.seed} until {summary.until} written to "
        f"{opened.operational.location} in {summary.seconds:.1f} s.",
        markup=False,
    )


def _show(what: str, number: str, counts: dict[str, int]) -> None:
    table = Table(what, box=None, pad_edge=False)
    table.add_column(number, justify="right")
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    out.print(table)

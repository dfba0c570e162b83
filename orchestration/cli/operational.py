"""`loyalty operational`: create the application's schema, check a database, print the grants."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestration.cli._frame import Json, databases, group, out, print_json, settings

if TYPE_CHECKING:
    from orchestration.operational import Difference

app = group("The application's database: create its schema, check it, print the grants.")

_COLOURS = {"error": "red", "warning": "yellow", "info": "dim"}


@app.command()
def create(as_json: Json = False) -> None:
    """Create the 15 tables of the v2 schema, or bring our own copy of it up to date.

    Never touches tables that this project did not create.
    """
    # Not above: SQLAlchemy takes long to import, and most commands do without it.
    from orchestration import operational

    found = databases()
    schema = found.operational_schema
    applied = operational.create(found.operational, schema)
    if as_json:
        print_json({"schema": schema, "applied": applied})
        return
    where = escape(f"schema {schema} of {found.operational.location}")
    if applied:
        out.print(f"Created the 15 tables in {where} (revisions {', '.join(applied)}).")
    else:
        out.print(f"Nothing to do: {where} is up to date.")


@app.command()
def check(as_json: Json = False) -> None:
    """Compare the operational database with what the warehouse needs; exit 1 where it cannot work.

    Every difference is listed by table and column; only errors keep the sync from working.
    """
    from orchestration import operational

    found = databases()
    schema = found.operational_schema
    differences = operational.check(found.operational, schema)
    counts = Counter(str(difference.severity) for difference in differences)
    if as_json:
        print_json(
            {
                "schema": schema,
                "ok": not counts["error"],
                "differences": [asdict(difference) for difference in differences],
            }
        )
    else:
        _show(differences)
        where = escape(f"Schema {schema} of {found.operational.location}")
        verdict = "[red]cannot be synced[/]" if counts["error"] else "[green]can be synced[/]"
        out.print(
            f"{where} {verdict}: errors {counts['error']}, "
            f"warnings {counts['warning']}, notes {counts['info']}."
        )
    if counts["error"]:
        raise typer.Exit(1)


@app.command()
def grants(
    role: Annotated[
        str, typer.Option("--role", help="The role that LOYALTY_OPERATIONAL_URL logs in as.")
    ],
    read_only: Annotated[
        bool, typer.Option("--read-only", help="For a role that never activates.")
    ] = False,
) -> None:
    """Print the GRANT statements that a role needs, for the owner of the database to run.

    They allow reading all but the shops' access tokens, and the few writes of activation.
    """
    from orchestration import operational

    schema = settings().operational_schema
    typer.echo(operational.grants(schema, role, activation=not read_only), nl=False)


def _show(differences: list[Difference]) -> None:
    if not differences:
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("Severity", "Where", "Difference"):
        table.add_column(heading, overflow="fold")
    for difference in differences:
        colour = _COLOURS[difference.severity]
        table.add_row(
            f"[{colour}]{difference.severity}[/]",
            escape(difference.place),
            escape(difference.problem),
        )
    out.print(table)

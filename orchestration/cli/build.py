"""`loyalty build` and `loyalty env`: the models, and the connection for dbt by hand."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Annotated

import typer

from orchestration import segments
from orchestration.build import (
    dbt_build_arguments,
    dbt_environment,
    dbt_target_dir,
    is_past,
    parse_as_of,
    run_dbt,
)
from orchestration.cli._frame import Json, databases, err, out, print_json, settings
from orchestration.databases import open_databases
from orchestration.warehouse import writer_lock


def build(
    as_of: Annotated[
        str | None, typer.Option(help="Build as of this instant (ISO 8601); default: last sync.")
    ] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Recompute every model from raw.")
    ] = False,
    test_all_rows: Annotated[
        bool,
        typer.Option("--test-all-rows", help="Test also the rows that this build does not touch."),
    ] = False,
    select: Annotated[
        str | None, typer.Option(help="Build only these models (a dbt selector).")
    ] = None,
    json: Json = False,
) -> None:
    """Compile the segment rules, then build and test the dbt models."""
    effective = settings()
    instant, folder = parse_as_of(as_of), dbt_target_dir(effective)
    warehouse = open_databases(effective).warehouse
    with writer_lock(warehouse, waiting=lambda message: err.print(message, markup=False)):
        past = is_past(warehouse, instant)
        if past:
            err.print("The marts show a later time: this goes to the schemas <name>_asof.")
        segments.compile_rules(warehouse)
        arguments = dbt_build_arguments(
            as_of=instant,
            past=past,
            full_refresh=full_refresh,
            test_all_rows=test_all_rows,
            select=select,
        )
        result = run_dbt(warehouse, arguments, target_dir=folder, quiet=json)
    if json:
        print_json(asdict(result))
    else:
        counts = ", ".join(f"{n} {status}" for status, n in sorted(result.counts.items()))
        out.print(f"Built in {result.seconds:.0f} s: {counts}.")
        for failure in result.failures:
            err.print(f"  failed  {failure}", markup=False)
    if result.failures:
        raise typer.Exit(1)


def env() -> None:
    """Print the warehouse's connection fields as shell exports: eval "$(loyalty env)".

    They are what profiles.yml reads, and libpq's own for psql. The password is among them.
    """
    fields = dbt_environment(databases().warehouse)
    libpq = {
        "PGHOST": fields["LOYALTY_DBT_HOST"],
        "PGPORT": fields["LOYALTY_DBT_PORT"],
        "PGUSER": fields["LOYALTY_DBT_USER"],
        "PGDATABASE": fields["LOYALTY_DBT_DBNAME"],
        "PGSSLMODE": fields["LOYALTY_DBT_SSLMODE"],
        "PGPASSWORD": fields["DBT_ENV_SECRET_LOYALTY_PASSWORD"],
    }
    for name, value in {**fields, **libpq}.items():
        typer.echo(f"export {name}={shlex.quote(value)}")

"""`loyalty db`: the embedded PostgreSQL, and a psql on whichever databases are configured."""

from __future__ import annotations

import dataclasses
import os
import re
from enum import StrEnum
from typing import Annotated

import typer
from psycopg import conninfo

from orchestration import embedded
from orchestration.cli import _frame
from orchestration.cli._frame import Json
from orchestration.database import Database
from orchestration.embedded import binaries
from orchestration.settings import Settings

app = _frame.group("The embedded PostgreSQL: start it, stop it, look at it, log in to it.")


class Name(StrEnum):
    """The two databases."""

    operational = "operational"
    warehouse = "warehouse"


@app.command()
def start(json: Json = False) -> None:
    """Start the embedded server, unless it runs; the first time, make it with both databases."""
    home = _frame.settings().home
    embedded.ensure_running(home)
    _show(embedded.status(home), json)


@app.command()
def stop(
    remove_data: Annotated[
        bool, typer.Option("--remove-data", help="Remove both databases afterwards, for good.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    json: Json = False,
) -> None:
    """Stop the embedded server, if it runs, and wait until it has stopped; sessions are ended."""
    home = _frame.settings().home
    removed = False
    if remove_data:
        data = embedded.status(home).data_directory
        if data.exists() and not yes:
            typer.confirm(f"Remove both databases in {data}, for good?", abort=True, err=True)
        stopped = embedded.stop(home)
        removed = embedded.remove(home)
    else:
        stopped = embedded.stop(home)
    if json:
        _frame.print_json({"stopped": stopped, "removed": removed})
        return
    _frame.out.print("Stopped." if stopped else "It was not running.")
    if remove_data:
        _frame.out.print("Its data are removed." if removed else "There were no data to remove.")


@app.command()
def status(json: Json = False) -> None:
    """Show whether the embedded server runs, and where its port, data and log are."""
    _show(embedded.status(_frame.settings().home), json)


@app.command()
def url(
    database: Annotated[Name, typer.Argument(help="Which database.")] = Name.warehouse,
) -> None:
    """Print a database's URL, password included, for programs and shells.

    That of the embedded server, which is started; or the configured one, and nothing is started.
    """
    # libpq, unlike SQLAlchemy, knows no drivers in URLs.
    typer.echo(re.sub(r"^postgresql\+\w+://", "postgresql://", _database(database).url))


@app.command(context_settings={"ignore_unknown_options": True})
def psql(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[operational|warehouse] [-- ARGUMENTS]",
            help="Which database (warehouse), and psql's own arguments: -- -c 'select 1'.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Open psql on a database: the embedded server's, which is started, or the configured one."""
    rest = list(arguments or [])
    name = Name.warehouse
    if rest and not rest[0].startswith("-"):
        if rest[0] not in list(Name):
            raise typer.BadParameter(f"{rest[0]!r} is neither operational nor warehouse.")
        name = Name(rest.pop(0))
    fields = _database(name).fields
    password = fields.pop("password", None)
    program = binaries.bundled() / "psql"
    os.execve(  # noqa: S606 (no shell; the password is in no argument, where `ps` would show it)
        program,
        [str(program), f"--dbname={conninfo.make_conninfo(**fields)}", *rest],
        {**os.environ, **({"PGPASSWORD": password} if password else {})},
    )


def _database(name: Name) -> Database:
    """The database as configured; the embedded server is started only where it is not."""
    settings: Settings = _frame.settings()
    configured = {
        Name.operational: settings.operational_url,
        Name.warehouse: settings.warehouse_url,
    }[name]
    url = (
        configured.get_secret_value()
        if configured
        else embedded.ensure_running(settings.home).url(name)
    )
    return Database(f"{name} database", url, f"LOYALTY_{name.upper()}_URL")


def _show(status: embedded.Status, json: bool) -> None:
    if json:
        _frame.print_json(dataclasses.asdict(status))
        return
    lines = {
        "PostgreSQL": status.version or "not made yet",
        "state": f"running (process {status.pid})" if status.running else "not running",
        "address": f"127.0.0.1:{status.port}" if status.port else None,
        "data": status.data_directory,
        "size": f"{status.size_bytes / 2**20:,.0f} MiB" if status.size_bytes else None,
        "log": status.log if status.log.exists() else None,
    }
    for label, value in lines.items():
        if value is not None:
            _frame.out.print(f"{label:<11}{value}", markup=False)

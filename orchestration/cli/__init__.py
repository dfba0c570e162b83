"""The `loyalty` command: one module per command group, all thin faces of the domain packages."""

from __future__ import annotations

import atexit
import os
import sys

import typer

from orchestration.cli import (
    activate,
    build,
    db,
    demo,
    dev,
    doctor,
    operational,
    run,
    segments,
    sync,
)
from orchestration.cli import sample as sample_command
from orchestration.cli._frame import guarded

app = typer.Typer(
    help="The loyalty warehouse: sync, build and activate a loyalty program's data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    demo.demo,
    run.run,
    sync.sync,
    build.build,
    activate.activate,
    sample_command.sample,
    doctor.doctor,
    build.env,
    dev.dev,
):
    app.command()(command)
app.add_typer(segments.app, name="segments")
app.add_typer(operational.app, name="operational")
app.add_typer(db.app, name="db")


def main() -> None:
    """The console script's entry point."""
    code = guarded(lambda: app(standalone_mode=True))
    if code > 128:
        # A step may still be running in its thread: it ends here, and PostgreSQL undoes its work.
        atexit._run_exitfuncs()
        os._exit(code)
    sys.exit(code)

"""The `loyalty` application: which commands there are, and in which order help lists them."""

from __future__ import annotations

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

"""`loyalty dev`: Dagster's UI and daemon on this project."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli._frame import err, settings
from orchestration.run import dagster_home
from orchestration.settings import PROJECT_DIR


def dev(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port of the UI.")] = 3000,
) -> None:
    """Open Dagster's UI and run its daemon: runs, lineage, checks, the daily schedule."""
    effective = settings()
    dagster_home(effective)
    # Children start elsewhere: what they read must not depend on the working directory.
    os.environ["LOYALTY_HOME"] = str(effective.home.resolve())
    err.print(f"Dagster's UI will be at http://{host}:{port} (Ctrl-C ends it).")
    dagster = str(Path(sys.executable).with_name("dagster"))
    os.chdir(PROJECT_DIR)
    arguments = ["dev", "-m", "orchestration.definitions", "-h", host, "-p", str(port)]
    os.execv(dagster, [dagster, *arguments])  # noqa: S606 - becomes Dagster, no shell between

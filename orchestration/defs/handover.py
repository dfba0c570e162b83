"""What the steps of an activation hand to each other: files below LOYALTY_HOME, for one run."""

import pickle
import shutil
import time
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.settings import Settings

KEPT_SECONDS = 86_400.0
"""How long the files of a run that failed are kept, for its steps to be done again."""


def handover_folder(run_id: str) -> Path:
    """The run's folder, made where it is missing; it holds ids of customers until the run ends."""
    folder = Settings().folder("activation") / run_id
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def clear_handover(run_id: str) -> None:
    """Removes the run's folder."""
    shutil.rmtree(Settings().folder("activation") / run_id, ignore_errors=True)


def clear_leftovers() -> None:
    """Removes the folders of runs that failed long ago."""
    for folder in Settings().folder("activation").iterdir():
        if folder.stat().st_mtime < time.time() - KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


class HandoverIOManager(dg.ConfigurableIOManager):
    """Keeps outputs as files of their run, so that a step may run in another process, or again."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Writes an output."""
        with _path(context).open("wb") as file:
            pickle.dump(obj, file)

    def load_input(self, context: dg.InputContext) -> Any:
        """Reads what the step before has written."""
        if context.upstream_output is None:
            raise dg.DagsterInvariantViolationError("an activation's input is always an output")
        try:
            with _path(context.upstream_output).open("rb") as file:
                return pickle.load(file)  # noqa: S301 - our own file, in a folder of ours alone
        except FileNotFoundError:
            raise dg.Failure(
                "What an earlier step of this activation laid by is not there any more: it is kept "
                "for a day, and only until the run is recorded.",
                metadata={"what_to_do": "Run the activation from its beginning."},
                allow_retries=False,
            ) from None


def _path(output: dg.OutputContext) -> Path:
    return handover_folder(output.run_id) / f"{output.step_key}.{output.name}.pickle"

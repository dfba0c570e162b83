"""One sync in a process of its own, so that its memory is its own: a job on stdin, JSON on stdout.

As the measuring side, `run` starts that process and reads what it found.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.frame.gates import GateError
from orchestration import sync
from orchestration.database import Database

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class OneSync:
    """What a sync took and did.

    Attributes:
        seconds: The whole call: connections, lock, snapshot, rows, keys, state, commit.
        moving: From the beginning of the first table to the last block of the last one.
        loading: From there until all tables have their rows, keys and indexes.
        applying: From then to the end: the closing transaction.
        peak_megabytes: The most memory that the process held.
        idle_megabytes: What it held before the call, with everything imported.
        tables: The result per table, as the sync reports it.
    """

    seconds: float
    moving: float
    loading: float
    applying: float
    peak_megabytes: float
    idle_megabytes: float
    tables: list[dict[str, Any]]

    def table(self, name: str) -> dict[str, Any]:
        """The result of one table."""
        return next(table for table in self.tables if table["table_name"] == name)


def run(source: Database, warehouse: Database, tables: Sequence[str] | None = None) -> OneSync:
    """Syncs in a new process.

    Raises:
        GateError: The sync failed; says how.
    """
    job = {"source": source.url, "warehouse": warehouse.url, "tables": tables}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sync.one_sync"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode != 0:
        raise GateError(f"The sync failed.\n{done.stderr}")
    return OneSync(**json.loads(done.stdout))


class _Clock(sync.Progress):
    """Notes when what happened."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.last_block = 0.0
        self.applied = 0.0

    def started(self, table: str, estimated_rows: int) -> None:
        self.began = self.began or time.monotonic()

    def advanced(self, table: str, rows: int, size: int) -> None:
        self.last_block = time.monotonic()

    def applying(self) -> None:
        self.applied = time.monotonic()


def _megabytes() -> float:
    """The most that this process has held so far."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except FileNotFoundError:  # not Linux
        pass
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 1024)


def _main() -> None:
    job = json.load(sys.stdin)
    clock = _Clock()
    idle = _megabytes()
    began = time.monotonic()
    result = sync.sync(
        Database("operational database", job["source"], "the benchmark"),
        "public",
        Database("warehouse", job["warehouse"], "the benchmark"),
        tables=job["tables"],
        progress=clock,
    )
    ended = time.monotonic()
    start = clock.began or ended
    found = OneSync(
        seconds=ended - began,
        moving=max(clock.last_block - start, 0.0),
        loading=max(clock.applied - start, 0.0),
        applying=ended - (clock.applied or ended),
        peak_megabytes=_megabytes(),
        idle_megabytes=idle,
        tables=[asdict(table) for table in result.tables],
    )
    json.dump(asdict(found), sys.stdout)


if __name__ == "__main__":
    _main()

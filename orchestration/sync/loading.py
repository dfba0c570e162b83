"""Brings every table into scratch, several at a time, and tells how it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from threading import Lock

from psycopg import sql

from orchestration.sync import presence, staging
from orchestration.sync.extract import Block
from orchestration.sync.failures import plain_errors
from orchestration.sync.lanes import Lane, Task, run_tasks
from orchestration.sync.plan import TablePlan
from orchestration.sync.result import Progress
from orchestration.sync.scratch import Stamp

_TELL_BYTES = 1024 * 1024

_Write = Callable[[Lane, Iterator[Block]], None]


@dataclass
class TableLoad:
    """A table on its way through a sync, and what it took so far.

    Attributes:
        rows: Rows that were read.
        bytes: Bytes that the source sent, with what tells deleted rows.
        seconds: Time of its lanes, reading and comparing.
    """

    plan: TablePlan
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0
    _parts: int = 0
    _is_begun: bool = False


@dataclass(frozen=True)
class Loader:
    """Makes the tasks of a sync; one instance a sync."""

    stamp: Stamp
    progress: Progress
    _telling: Lock = field(default_factory=Lock)

    def run(self, plans: Sequence[TablePlan], lanes: Sequence[Lane]) -> list[TableLoad]:
        """Loads all tables, the largest first, so that the lanes end together.

        Raises:
            LoyaltyError: One of the databases failed; scratch then holds an unknown part.
        """
        loads = [TableLoad(plan) for plan in plans]
        by_size = sorted(loads, key=lambda load: -load.plan.source.estimated_rows)
        run_tasks([task for load in by_size for task in self._tasks(load)], lanes)
        return loads

    def _tasks(self, load: TableLoad) -> Iterator[Task]:
        plan = load.plan

        def rows(lane: Lane, blocks: Iterator[Block]) -> None:
            if plan.mode == "first load":
                load.rows = staging.load_first(lane.writer, plan, self.stamp, blocks)
            else:
                load.rows = staging.load_rows(lane.writer, plan, blocks)

        def present(lane: Lane, blocks: Iterator[Block]) -> None:
            staging.load_presence(lane.writer, plan, blocks)

        if plan.mode == "incremental":
            yield self._task(load, presence.query(plan), present)
        yield self._task(load, plan.query, rows, counts=True)

    def _task(
        self, load: TableLoad, query: sql.Composed, write: _Write, *, counts: bool = False
    ) -> Task:
        load._parts += 1

        def task(lane: Lane) -> None:
            started = time.monotonic()
            with self._telling:
                if not load._is_begun:
                    load._is_begun = True
                    self.progress.started(load.plan.name, load.plan.source.estimated_rows)

            def told(blocks: Iterator[Block]) -> Iterator[Block]:
                rows = size = 0
                for block in lane.watched(blocks):
                    yield block
                    rows += block.rows
                    size += len(block.data)
                    if size >= _TELL_BYTES:
                        advance(rows, size)
                        rows = size = 0
                advance(rows, size)

            def advance(rows: int, size: int) -> None:
                with self._telling:
                    load.bytes += size
                    self.progress.advanced(load.plan.name, rows if counts else 0, size)

            # Closed at once when loading fails, so that the source stops sending.
            name = f"{load.plan.source.schema}.{load.plan.name}"
            with (
                plain_errors("warehouse", f"loading {name}"),
                closing(lane.reader.blocks(query, name)) as blocks,
            ):
                write(lane, told(blocks))
            with self._telling:
                load.seconds += time.monotonic() - started
                load._parts -= 1
                if not load._parts:
                    self.progress.finished(load.plan.name)

        return task

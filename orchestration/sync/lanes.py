"""Lanes: a reader, a writer and a thread each, on which a sync's tables travel side by side."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
from psycopg.rows import TupleRow

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.sync.extract import Block, Reader
from orchestration.sync.snapshot import Snapshot

logger = logging.getLogger(__name__)

_PATIENCE = 0.5


class StoppedError(Exception):
    """Another lane failed, or the sync was interrupted; never seen outside."""


@dataclass
class Lane:
    """One reader of the snapshot and one writer of the warehouse, for one thread."""

    reader: Reader
    writer: psycopg.Connection[TupleRow]
    _stopping: threading.Event = field(default_factory=threading.Event)

    def watched(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The blocks, until the lane is to stop."""
        for block in blocks:
            if self._stopping.is_set():
                raise StoppedError
            yield block

    def stop(self) -> None:
        """Ends what both connections are doing."""
        self._stopping.set()
        for connection in (self.reader.connection, self.writer):
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=5)


Task = Callable[[Lane], None]


@contextmanager
def open_lanes(snapshot: Snapshot, warehouse: Database) -> Iterator[list[Lane]]:
    """A lane for each of the snapshot's readers; fewer where the warehouse has less to give."""
    with ExitStack() as stack:
        lanes: list[Lane] = []
        for reader in snapshot.readers:
            try:
                writer = warehouse.connect(autocommit=True, client_encoding="UTF8")
            except LoyaltyError as error:
                if not lanes:
                    raise
                logger.info("Writing over fewer connections: %s", error)
                break
            lanes.append(Lane(reader, stack.enter_context(closing(writer))))
        yield lanes


def run_tasks(tasks: Sequence[Task], lanes: Sequence[Lane]) -> None:
    """Runs the tasks, each on the next free lane, in the order given.

    Raises:
        BaseException: What the first task that failed raised, or an interrupt. All lanes have
            stopped by then.
    """
    waiting = deque(tasks)
    failures: list[BaseException] = []

    def work(lane: Lane) -> None:
        while not failures:
            try:
                task = waiting.popleft()
            except IndexError:
                return
            try:
                task(lane)
            except BaseException as error:
                failures.append(error)  # for the thread that waits

    # Daemons: a process that is told to end does not wait for them, as an executor's would have it.
    threads = [
        threading.Thread(target=work, args=(lane,), name=f"sync-{number}", daemon=True)
        for number, lane in enumerate(lanes)
    ]
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) and not failures:
            for thread in threads:
                thread.join(_PATIENCE)
                if failures:
                    break
    finally:
        while any(thread.is_alive() for thread in threads):
            for lane in lanes:
                lane.stop()
            for thread in threads:
                thread.join(_PATIENCE)
    if failures:
        raise failures[0]

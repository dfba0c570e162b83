"""Kills at random instants of a sync, its source and its warehouse: raw is never half a sync.

LOYALTY_TEST_ROUNDS=10 kills ten times as often.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psycopg
import pytest
from conftest import PostgresServer
from oracles import mirror
from source_servers import Server, private_servers
from sync_pair import Pair, pair

ROUNDS = int(os.environ.get("LOYALTY_TEST_ROUNDS", "1"))
PATIENCE = 120.0
"""Seconds after which what should have ended, or come back, hangs."""

TABLES = ("accounts", "entries", "words")
FILL = """
create table accounts (id integer primary key, name text not null, value numeric(12, 2));
create table entries (id bigint primary key, account_id integer, amount integer, note text);
create table words (word text primary key, value integer);
insert into accounts select n, 'account ' || n, n / 3.0 from generate_series(1, {rows}) as n;
insert into entries select n * 3, abs(n) + 1, n from generate_series(-{rows}, {rows}) as n;
insert into words select 'word ' || n, n from generate_series(1, {rows}) as n
"""

CHANGES = (
    "update accounts set value = value + 1 where id % 23 = {n}",
    "update accounts set name = name where id % 7 = {n}",
    "update accounts set id = id + 1000000 where id % 97 = {n}",
    "delete from accounts where id % 31 = {n}",
    "insert into accounts select -n, 'new' from generate_series({n} * 100, {n} * 100 + 60) as n "
    "on conflict do nothing",
    "update entries set amount = -amount, note = repeat('y', {n} * 100) where id % 29 = {n}",
    "delete from entries where id between {n} * 1000 and {n} * 1000 + 700",
    "insert into entries select n, n, n from generate_series({n} * 1000, {n} * 1000 + 900) as n "
    "on conflict (id) do update set note = 'again'",
    "update words set word = word || 'x' where value % 43 = {n}",
    "delete from words where value % 19 = {n}",
    "insert into words select 'new ' || n, {n} from generate_series({n}, 300) as n "
    "on conflict do nothing",
    "begin; delete from words where value % 13 = {n}; savepoint s; delete from words; "
    "rollback to s; commit",
    "alter table accounts drop if exists extra, add extra integer default {n}",
    "begin; create temporary table kept on commit drop as select * from words; truncate words; "
    "insert into words select * from kept where value % 17 <> {n}; commit",
    "vacuum (full) entries",
)

VICTIMS = (
    "the sync",
    "the source",
    "a process of the source",
    "the warehouse",
    "a process of the warehouse",
)
STAGES = {"begun": 0.5, "applying": 0.2, "done": 0.0}
"""When the kill comes: so many seconds, at most, after the sync has said this."""

# Syncs as soon as it is told to.
SYNC = """
import sys
sys.path.insert(0, sys.argv[1])
from sync_pair import pair
from orchestration.errors import LoyaltyError
from orchestration.sync import Progress

class Loud(Progress):
    def applying(self):
        print("applying", flush=True)

sys.stdin.readline()
print("begun", flush=True)
try:
    pair(sys.argv[2], sys.argv[3]).sync(*sys.argv[4:], progress=Loud())
except LoyaltyError as error:
    sys.exit(f"LoyaltyError: {error}")
print("done", flush=True)
"""


class Trial:
    """A source, its warehouse, and what raw held after the last sync that was committed."""

    def __init__(self, both: Pair, seed: int, rows: int) -> None:
        self.both, self.seed, self.random = both, seed, Random(seed)
        self.last, self.syncs = mirror.Mirror(), 0
        # On disk, whatever becomes of the commits that follow.
        both.write(FILL.format(rows=rows), "checkpoint")

    def change(self) -> None:
        for statement in self.random.sample(CHANGES, 4):
            self.both.write(statement.format(n=self.random.randrange(7)))

    def seen(self) -> dict[str, mirror.Seen]:
        """What the source has."""
        with self.both.source.connect(autocommit=True) as connection:
            return {name: mirror.read_source(connection, name) for name in TABLES}

    def next(self) -> mirror.Mirror:
        """What raw is to hold after a sync that begins now."""
        after = self.last.copy()
        after.sync(self.syncs + 1, self.seen())
        return after

    def check(self) -> None:
        """Makes sure that raw is as the last sync left it."""
        with self.both.warehouse.connect(autocommit=True) as connection:
            assert mirror.differences(self.last, mirror.read_raw(connection, *TABLES)) == []

    def sync(self) -> None:
        """A sync that nobody disturbs, and its results."""
        result = self.both.sync(*TABLES, verify=True)
        assert [table.table_name for table in result.verified if not table.is_equal] == []
        self.last, self.syncs = self.next(), self.syncs + 1
        assert result.sync_id == self.syncs
        self.check()
        assert self.both.rows("select to_regnamespace('raw__build')") == [(None,)]

    def recorded(self) -> int:
        """The last sync that the warehouse knows of, once nobody else is at work there."""
        others = (
            "select count(*) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        until(lambda: self.both.rows(others) == [(0,)])
        if self.both.rows("select to_regclass('ops.sync_runs')") == [(None,)]:
            return 0
        return int(self.both.rows("select coalesce(max(sync_id), 0) from ops.sync_runs")[0][0])

    @contextmanager
    def sync_of_its_own(self) -> Iterator[subprocess.Popen[str]]:
        """A process that is to sync."""
        folder, (source, warehouse) = Path(__file__).parent, (self.both.source, self.both.warehouse)
        with subprocess.Popen(
            [sys.executable, "-c", SYNC, str(folder), source.url, warehouse.url, *TABLES],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def until(is_so: Callable[[], bool]) -> None:
    """Returns when it is."""
    pause = threading.Event()
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be"
        pause.wait(0.02)


def hit(server: Server, pid: int, how: signal.Signals = signal.SIGKILL) -> bool:
    """Sends one of a server's processes a signal; whether it still was one."""
    try:
        # The number may be another process's by now; where the system does not tell, that is rare.
        if Path("/proc/self/cwd").exists():
            assert Path(f"/proc/{pid}/cwd").resolve() == server.cluster.data.resolve()
        os.kill(pid, how)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


def kill_postmaster(server: Server) -> None:
    postmaster = server.cluster.postmaster()
    assert postmaster is not None
    assert hit(server, postmaster.pid)


def kill_a_process(server: Server, database: str, random: Random) -> None:
    """Kills one of those that serve a database or, where there are none, another one."""
    query = "select pid from pg_stat_activity where pid <> pg_backend_pid() and {} order by pid"
    is_hit = False
    while not is_hit:
        pids = server.rows(query.format("datname = %s"), database)
        is_hit = hit(server, random.choice(pids or server.rows(query.format("true")))[0])


def walwriter(server: Server) -> int:
    """The process that writes down what was committed asynchronously."""
    (row,) = server.rows("select pid from pg_stat_activity where backend_type = 'walwriter'")
    return int(row[0])


class Watch:
    """A session that tells when its server has crashed and recovered."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = psycopg.connect(server.url(), autocommit=True)

    def wait_for_recovery(self) -> None:
        until(lambda: not _works(self._connection.execute))
        self._connection.close()
        until(lambda: _works(self._server.run))


def _works(run: Callable[[str], object]) -> bool:
    try:
        run("select")
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="module")
def private(
    servers: Mapping[int, PostgresServer], reachable_folder: Callable[[], Path]
) -> Iterator[tuple[Server, Server]]:
    """A source that may lose its last commits, and a warehouse that may not."""
    with private_servers(reachable_folder) as made:
        yield (
            made.primary(servers[min(servers)], full_page_writes="on"),
            made.primary(servers[18], full_page_writes="on", synchronous_commit="on"),
        )


@pytest.fixture
def trial(private: tuple[Server, Server], request: pytest.FixtureRequest) -> Iterator[Trial]:
    name = f"trial_{request.param}"
    for server in private:
        if not server.cluster.running():  # a trial before this one has failed
            server.cluster.stop(signal.SIGQUIT)
            server.start()
        server.run(f"create database {name}")
    yield Trial(pair(private[0].url(name), private[1].url(name)), request.param, rows=10_000)
    for server in private:
        server.run(f"drop database {name} with (force)")


@pytest.mark.parametrize("trial", range(10 * ROUNDS), indirect=True, ids="seed {}".format)
def test_a_kill_at_any_instant_leaves_a_whole_sync_and_the_next_one_heals(
    private: tuple[Server, Server], trial: Trial
) -> None:
    victim, stage = VICTIMS[trial.seed % len(VICTIMS)], trial.random.choice(["begun", *STAGES])
    server = private["warehouse" in victim]
    if trial.random.random() < 0.7:
        trial.sync()
    stopped = None
    if "source" in victim and trial.random.random() < 0.5:
        # What is committed from now on need not outlive the source.
        stopped = walwriter(server)
        hit(server, stopped, signal.SIGSTOP)
    trial.change()
    after = trial.next()

    watch = Watch(server)
    with trial.sync_of_its_own() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        print("go", file=process.stdin, flush=True)
        any(line.strip() == stage for line in process.stdout)
        time.sleep(trial.random.uniform(0, STAGES[stage]))
        if victim == "the sync":
            process.kill()
        elif victim.startswith("a process"):
            kill_a_process(server, trial.both.source.fields["dbname"], trial.random)
        else:
            kill_postmaster(server)
        if stopped:
            hit(server, stopped)
        _, complaint = process.communicate(timeout=PATIENCE)
    if victim in ("the source", "the warehouse"):
        server.start()
    elif victim != "the sync":
        watch.wait_for_recovery()
    assert process.returncode in (0, -signal.SIGKILL if victim == "the sync" else 1), complaint
    assert "Traceback" not in complaint, complaint

    recorded = trial.recorded()
    if recorded > trial.syncs:
        trial.last, trial.syncs = after, trial.syncs + 1
    assert recorded == trial.syncs
    trial.check()
    assert process.returncode != 0 or trial.last is after
    if trial.random.random() < 0.7:
        trial.change()
    trial.sync()
    trial.change()
    trial.sync()


@pytest.mark.parametrize("victim", ["the server", "a process"])
@pytest.mark.parametrize("major", [15, 16, 18])
def test_what_the_source_forgot_in_a_crash_is_taken_back(
    servers: Mapping[int, PostgresServer],
    reachable_folder: Callable[[], Path],
    new_database: Callable[[], str],
    major: int,
    victim: str,
) -> None:
    """Transaction numbers and places in the log are given out again, to other rows."""
    if major not in servers:
        pytest.skip(f"PostgreSQL {major} is not installed here")
    with private_servers(reachable_folder) as made:
        source = made.primary(servers[major])
        trial = Trial(pair(source.url(), new_database()), 0, rows=100)
        trial.sync()
        before = trial.seen()
        writer = walwriter(source)
        hit(source, writer, signal.SIGSTOP)
        trial.both.write(
            "insert into accounts values (1001, 'never was', 1)",
            "update accounts set name = 'never so' where id <= 10",
            "delete from words where value <= 10",
        )
        trial.sync()
        ((next_number, log),) = trial.both.rows(
            "select max(source_next_xid), max(source_wal_bytes) from ops.sync_runs"
        )

        watch = Watch(source)
        if victim == "the server":
            kill_postmaster(source)
        hit(source, writer)
        if victim == "the server":
            source.start()
        else:
            watch.wait_for_recovery()
        assert trial.seen() == before
        trial.both.write(
            "insert into accounts values (1001, 'another', 1)",
            "update accounts set name = 'another' where id between 5 and 15",
            "delete from words where value between 5 and 15",
            *["select pg_logical_emit_message(true, '', repeat('x', 100000))"] * 50,
        )
        # Neither of these looks like a step back any more.
        ((number, position),) = source.rows(
            "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint, "
            "pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
        )
        assert number > next_number
        assert position > log
        trial.sync()

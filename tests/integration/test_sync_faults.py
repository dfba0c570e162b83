"""A sync that is refused, interrupted or killed leaves raw as it was, and the next one heals."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sync_pair import THINGS, Pair, as_role, pair, with_application, with_tables

from orchestration import sync
from orchestration.errors import LoyaltyError
from orchestration.sync import Progress

NewDatabase = Callable[[], str]

FILL = "insert into things (id, name) select n, 'thing ' || n from generate_series(1, 20000) as n"

# Runs a sync that says where it is and then waits to be killed, in a process of its own.
VICTIM = """
import sys
sys.path.insert(0, sys.argv[1])
from sync_pair import pair
from orchestration.sync import Progress

class Stop(Progress):
    def at(self, place):
        if place == sys.argv[4]:
            print(place, flush=True)
            sys.stdin.read()
    def advanced(self, table, rows, size): self.at("advanced")
    def finished(self, table): self.at("finished")
    def applying(self): print("applying", flush=True); self.at("applying")

pair(sys.argv[2], sys.argv[3]).sync("others", "things", progress=Stop())
"""


class At(Progress):
    """Does something once, when the sync reaches a place."""

    def __init__(self, place: str, action: Callable[[], None]) -> None:
        self._place, self._action = place, action

    def _at(self, place: str) -> None:
        if place == self._place:
            self._place = ""
            self._action()

    def started(self, table: str, estimated_rows: int) -> None:
        self._at("started")

    def advanced(self, table: str, rows: int, size: int) -> None:
        self._at("advanced")

    def finished(self, table: str) -> None:
        self._at("finished")

    def applying(self) -> None:
        self._at("applying")


@pytest.fixture
def things(new_database: NewDatabase) -> Pair:
    return with_tables(
        new_database,
        THINGS,
        FILL,
        "create table others (id integer primary key)",
        "insert into others values (1)",
    )


def change_both(both: Pair) -> None:
    both.write(
        "update things set name = 'new' where id <= 5000",
        "delete from things where id = 20000",
        "insert into others select coalesce(max(id), 0) + 1 from others",
    )


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("place", ["started", "advanced", "finished", "applying"])
def test_an_interrupt_leaves_raw_as_it_was(things: Pair, place: str) -> None:
    things.sync("others", "things")
    before = things.versions("others", "things")
    change_both(things)

    with pytest.raises(KeyboardInterrupt):
        things.sync("others", "things", progress=At(place, interrupt))
    assert things.versions("others", "things") == before
    assert things.rows("select to_regnamespace('raw__build')") == [(None,)]
    things.sync("others", "things")
    assert things.differing("others", "things") == []


@pytest.mark.parametrize(
    ("place", "is_first"),
    [
        ("advanced", True),
        ("applying", True),
        ("advanced", False),
        ("applying", False),
        ("inside the closing transaction", False),
    ],
)
def test_kill_9_at_any_instant_leaves_the_last_state(
    things: Pair, request: pytest.FixtureRequest, place: str, is_first: bool
) -> None:
    if not is_first:
        things.sync("others", "things")
    before = {} if is_first else things.versions("others", "things")
    change_both(things)

    arguments = [str(request.path.parent), things.source.url, things.warehouse.url, place]
    with (
        psycopg.connect(things.warehouse.url) as blocker,
        subprocess.Popen(
            [sys.executable, "-c", VICTIM, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as victim,
    ):
        assert victim.stdout is not None
        if place.startswith("inside"):
            # others has been merged by then, and its rows wait for the same commit.
            blocker.execute("lock table raw.things in share mode")
            assert victim.stdout.readline() == "applying\n"
            wait_for_lock(things)
        else:
            said = iter(victim.stdout)
            assert any(line.strip() == place for line in said), "the sync ended before that"
        victim.send_signal(signal.SIGKILL)

    if is_first:
        assert things.rows("select to_regclass('raw.others'), to_regclass('raw.things')") == [
            (None, None)
        ]
    else:
        assert things.versions("others", "things") == before
    things.sync("others", "things")
    assert things.differing("others", "things") == []
    assert things.rows("select to_regnamespace('raw__build')") == [(None,)]


def wait_for_lock(both: Pair) -> None:
    """Returns when a backend of the warehouse waits for a lock."""
    waiting = "select count(*) from pg_stat_activity, pg_sleep(0.02) where wait_event_type = 'Lock'"
    while both.rows(f"{waiting} and datname = current_database()") == [(0,)]:
        pass


@pytest.mark.parametrize("place", ["advanced", "finished"])
@pytest.mark.parametrize("failing", ["operational database", "warehouse"])
def test_a_database_that_fails_in_the_middle_is_named(
    things: Pair, failing: str, place: str
) -> None:
    things.sync("others", "things")
    before = things.versions("others", "things")
    change_both(things)
    database = things.warehouse if failing == "warehouse" else things.source

    def end_its_connections() -> None:
        with database.connect(autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )

    with pytest.raises(LoyaltyError, match=f"The {failing} says"):
        things.sync("others", "things", progress=At(place, end_its_connections))
    assert things.versions("others", "things") == before
    things.sync("others", "things")
    assert things.differing("others", "things") == []


def test_truncate_waits_while_a_sync_reads(things: Pair) -> None:
    refused = []

    def truncate() -> None:
        with psycopg.connect(things.source.url) as connection:
            connection.execute("set local lock_timeout = '50ms'")
            try:
                connection.execute("truncate things")
            except psycopg.errors.LockNotAvailable:
                refused.append(True)

    # others is read first: only the guard can hold things by then.
    things.sync("others", "things", progress=At("started", truncate))
    assert refused == [True]
    assert things.differing("things") == []


def test_two_syncs_at_once_follow_each_other(things: Pair) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(things.sync, "others", "things") for _ in range(2)]
        numbers = sorted(run.result().sync_id for run in both)
    assert numbers == [1, 2]
    assert things.differing("others", "things") == []


def test_a_sync_that_lost_the_writer_lock_keeps_the_next_one_out_until_it_ends(
    things: Pair,
) -> None:
    with ThreadPoolExecutor(1) as pool:
        second = []

        def lose_the_lock() -> None:
            with things.warehouse.connect(autocommit=True) as connection:
                connection.execute(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                    "where datname = current_database() "
                    "and application_name = 'loyalty-writer-lock'"
                )
            change_both(things)
            second.append(pool.submit(things.sync, "others", "things"))
            wait_for_lock(things)

        first = things.sync("others", "things", progress=At("applying", lose_the_lock))
        assert first.sync_id == 1
        assert things.rows("select count(*) from raw.things where name = 'new'") == [(0,)]
        assert second[0].result().sync_id == 2
    assert things.differing("others", "things") == []


def test_a_role_that_may_only_select_is_enough(new_database: NewDatabase) -> None:
    both = with_application(new_database)
    reader = "reader_" + both.source.fields["dbname"]
    mirrored = (
        "select string_agg(quote_ident(attname), ', ') from pg_attribute where attnum > 0 "
        "and attrelid = 'shops'::regclass and attname not in ('access_token', 'webhook_secret')"
    )
    with both.source.connect(autocommit=True) as connection:
        columns = connection.execute(mirrored.encode()).fetchone()
    assert columns is not None
    both.write(
        f"create role {reader} login password '{reader}'",
        f"grant select on all tables in schema public to {reader}",
        f"revoke select on shops from {reader}",
        f"grant select ({columns[0]}) on shops to {reader}",
        f"alter role {reader} set default_transaction_read_only = on",
    )
    source = as_role(both.source, reader)
    try:
        result = sync.sync(source, "public", both.warehouse, verify=True)
        assert all(comparison.is_equal for comparison in result.verified)
        assert len(result.verified) == 15

        both.write(f"revoke select (welcome_points) on shops from {reader}")
        with pytest.raises(LoyaltyError, match=r"no longer read public\.shops .*welcome_points"):
            sync.sync(source, "public", both.warehouse)
        both.write(f"revoke usage on schema public from public, {reader}")
        with pytest.raises(LoyaltyError, match="may not use the schema public"):
            sync.sync(source, "public", both.warehouse)
    finally:
        both.write(f"drop owned by {reader}", f"drop role {reader}")


def test_rows_hidden_by_row_level_security_are_an_error_and_not_a_deletion(
    things: Pair,
) -> None:
    reader = "reader_" + things.source.fields["dbname"]
    things.write(
        f"create role {reader} login password '{reader}'",
        f"grant select on things to {reader}",
        "alter table things enable row level security",
    )
    try:
        with pytest.raises(LoyaltyError, match="row-level security"):
            sync.sync(as_role(things.source, reader), "public", things.warehouse, tables=["things"])
    finally:
        things.write(f"drop owned by {reader}", f"drop role {reader}")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("select 1", r"has no table public\.thing, public\.nothing"),
        ("create view thing as select 1 as id; create table nothing (id int)", "is not a table"),
        ("create table thing (id int); create table nothing (id int)", "has no primary key"),
        (
            "create table thing (_sync_id int primary key); create table nothing (id int)",
            "a column _sync_id, a name that the mirror needs",
        ),
        (
            "create table thing (api_key text primary key); create table nothing (id int)",
            "named like a credential",
        ),
    ],
)
def test_what_cannot_be_mirrored_is_refused_by_name(
    new_database: NewDatabase, statement: str, problem: str
) -> None:
    both = with_tables(new_database, statement)
    with pytest.raises(LoyaltyError, match=problem):
        both.sync("thing", "nothing")


def test_a_schema_that_is_not_there_is_named(new_database: NewDatabase) -> None:
    both = pair(new_database(), new_database())
    with pytest.raises(LoyaltyError, match="no schema loyalty"):
        sync.sync(both.source, "loyalty", both.warehouse)


def test_something_else_in_raw_is_not_overwritten(things: Pair) -> None:
    with things.warehouse.connect(autocommit=True) as connection:
        connection.execute("create schema raw")
        connection.execute("create table raw.things (id integer)")
    with pytest.raises(LoyaltyError, match=r"raw\.things in the warehouse is not a mirrored table"):
        things.sync("things")

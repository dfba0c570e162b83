"""Transaction numbers start over after 2^32, and count as the past only half as far: syncs do not.

A server's counter is set forward with pg_resetwal, after every row was frozen, as years of
transactions with their vacuums would have done it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from conftest import PostgresServer
from source_servers import Server, Servers, private_servers
from sync_pair import THINGS, Pair, pair

from orchestration.sync import TableResult

NewDatabaseOn = Callable[[int], str]

BOUNDARY = 2**32
MARGIN = 300
"""How many transactions before the boundary a server's counter is set to."""

SEGMENT = 2**20
"""How many transactions' fates a file of pg_xact holds: two bits each."""

REMEMBERED_SINCE = """
update ops.sync_runs
set source_started_at = %s, source_stats_reset_at = %s, source_wal_bytes = 0
"""


@dataclass(frozen=True)
class Source:
    """A server of the test's own with one database, whose transaction counter can be moved."""

    server: Server
    dbname: str

    def number(self, query: str) -> int:
        ((number,),) = self.server.rows(query, dbname=self.dbname)
        return int(number)

    @property
    def next_xid(self) -> int:
        """The first number that no finished transaction has, as 64 bits."""
        return self.number("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")

    def write(self, *statements: str) -> None:
        self.server.run(*statements, dbname=self.dbname)

    def spend(self, until: int) -> None:
        """Uses numbers up, in empty transactions, until the next one is this."""
        self.write(
            "do $$ begin "
            f"while pg_snapshot_xmax(pg_current_snapshot())::text::bigint < {until} loop "
            "perform pg_current_xact_id(); commit; end loop; end $$"
        )

    def leap(self, to: int) -> None:
        """Sets the counter forward; less than 2^31 at once, as the server itself would."""
        assert self.next_xid < to < self.next_xid + 2**31
        epoch, xid = divmod(to, BOUNDARY)
        for dbname in ("template1", "postgres", self.dbname):
            self.server.run("vacuum freeze", dbname=dbname)
        self.server.cluster.stop(signal.SIGINT)
        # Of what lies between, nothing is asked, as no row of it is left that is not frozen.
        fates = self.server.cluster.data / "pg_xact" / f"{xid // SEGMENT:04X}"
        if not fates.exists():
            fates.write_bytes(bytes(SEGMENT // 4))
            if account := self.server.programs.account:
                os.chown(fates, account.uid, account.gid)
        done = self.server.programs.run(
            "pg_resetwal",
            *("--epoch", str(epoch), "--next-transaction-id", str(xid)),
            *("--oldest-transaction-id", str(xid - 100), str(self.server.cluster.data)),
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        self.server.start()
        assert self.next_xid == to


@pytest.fixture
def new_source(
    reachable_folder: Callable[[], Path], servers: Mapping[int, PostgresServer]
) -> Iterator[Callable[[int], Source]]:
    with private_servers(reachable_folder) as made:
        yield lambda major: _source(made, servers, major)


def _source(made: Servers, servers: Mapping[int, PostgresServer], major: int) -> Source:
    if major not in servers:
        pytest.skip(f"PostgreSQL {major} is not installed here")
    server = made.primary(servers[major])
    if not (server.programs.folder / "pg_resetwal").exists():
        pytest.skip(f"PostgreSQL {major} is installed without pg_resetwal")
    server.run("create database application")
    source = Source(server, "application")
    source.write(THINGS)
    return source


def mirrored(both: Pair) -> TableResult:
    """What a sync did, after which raw equals the source."""
    result = both.sync("things").tables[0]
    assert both.differing("things") == []
    return result


def things(first: int, last: int) -> str:
    return (
        "insert into things (id, name) "
        f"select n, 'thing ' || n from generate_series({first}, {last}) as n"
    )


@pytest.mark.parametrize("major", [15, 16, 18])
def test_numbers_that_start_over_cost_no_full_pass_and_lose_nothing(
    new_source: Callable[[int], Source], new_database_on: NewDatabaseOn, major: int
) -> None:
    source = new_source(major)
    both = pair(source.server.url(source.dbname), new_database_on(major))
    of_the_beginning = source.next_xid
    for first, counter in ((1, 1_500_000_000), (101, 3_000_000_000), (201, BOUNDARY - MARGIN)):
        source.write(things(first, first + 99))
        source.leap(counter)
    assert mirrored(both).mode == "first load"

    # Before the boundary.
    source.write(
        things(301, 320),
        "update things set amount = 1 where id % 50 = 0",
        "delete from things where id in (7, 107)",
    )
    result = mirrored(both)
    assert (result.mode, result.rows_read, result.rows_deleted) == ("incremental", 26, 2)
    assert source.next_xid < BOUNDARY

    # On it: one transaction is open from before to after, with a part of its own on either side.
    with psycopg.connect(both.source.url) as straddling:
        straddling.execute("insert into things (id, name) values (401, 'before')")
        source.spend(BOUNDARY + 20)
        straddling.execute("savepoint part")
        straddling.execute("insert into things (id, name) values (402, 'after')")
        straddling.execute("update things set amount = 402 where id = 250")
        straddling.execute("release savepoint part")
        source.write(
            things(501, 510),
            "update things set amount = 2 where id in (1, 101, 201, 301)",
            "delete from things where id in (8, 108, 208, 308)",
        )
        result = mirrored(both)
        assert (result.mode, result.rows_read, result.rows_deleted) == ("incremental", 14, 4)
        straddling.commit()
    result = mirrored(both)
    assert result.mode == "incremental"
    assert both.rows("select id from raw.things where id in (401, 402) or amount = 402") == [
        (250,),
        (401,),
        (402,),
    ]

    # After it, and once the numbers that the first rows were written by are given out again: those
    # look as if they were new.
    source.write("update things set amount = 3 where id = 401", "delete from things where id = 402")
    result = mirrored(both)
    assert (result.mode, result.rows_read, result.rows_deleted) == ("incremental", 1, 1)
    source.spend(BOUNDARY + of_the_beginning + MARGIN)
    source.write("update things set amount = 4 where id in (150, 250)", things(601, 605))
    result = mirrored(both)
    assert (result.mode, result.rows_changed) == ("incremental", 7)
    assert result.rows_read > 90

    source.write("vacuum freeze things", "delete from things where id % 10 = 3")
    result = mirrored(both)
    assert (result.mode, result.rows_read, result.rows_changed) == ("incremental", 0, 0)


def test_after_2_billion_transactions_everything_is_compared(
    new_source: Callable[[int], Source], new_database_on: NewDatabaseOn
) -> None:
    source = new_source(15)
    both = pair(source.server.url(source.dbname), new_database_on(15))
    source.write(things(1, 100))
    assert mirrored(both).mode == "first load"
    horizon = source.next_xid
    source.leap(horizon + 2_000_000_000)
    source.write("update things set amount = 1 where id <= 10", "delete from things where id = 11")
    source.leap(horizon + 2**31 + 1000)  # where the last sync looks as if it were yet to come
    ((started_at, reset_at),) = source.server.rows(
        "select pg_postmaster_start_time(), stats_reset from pg_stat_bgwriter"
    )
    with both.warehouse.connect(autocommit=True) as connection:
        # A server that did not need pg_resetwal would not have been restarted.
        connection.execute(REMEMBERED_SINCE, [started_at, reset_at])
    result = both.sync("things")

    assert result.tables[0].mode == "full pass"
    assert (result.tables[0].rows_changed, result.tables[0].rows_deleted) == (10, 1)
    assert both.differing("things") == []
    assert ["2 billion transactions" in warning for warning in result.warnings] == [True]
    source.write("update things set amount = 2 where id <= 10")
    after = mirrored(both)
    assert (after.mode, after.rows_read) == ("incremental", 10)

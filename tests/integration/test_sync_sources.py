"""Sources as deployments have them: standbys, poolers, TLS, odd settings, tight limits."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest
from conftest import PASSWORD, PostgresServer
from psycopg.conninfo import make_conninfo
from source_servers import Pooler, Server, Servers, make_certificates, private_servers
from sync_pair import FOREIGN, Pair, pair, result_of

from orchestration.embedded.initdb import SUPERUSER
from orchestration.errors import LoyaltyError
from orchestration.sync import Progress, SyncResult
from orchestration.sync import snapshot as snapshots

NewDatabase = Callable[[], str]
NewApplication = Callable[..., "Application"]
DatabaseOf = Callable[..., str]
ThroughPooler = Callable[..., tuple[Pooler, Pair]]

NUMBERS = count()

CHANGES = (
    "update customer_loyalty_profiles set points_balance = points_balance + 7 where id = 101",
    "insert into shops (shop_domain) values ('another.example')",
    "delete from customer_loyalty_profiles where id = 103",
    "update point_transactions set expired_at = '2025-06-01' where id % 3 = 0",
)

THINGS = (
    "create table things (id integer primary key, name text)",
    "create table others (id integer primary key, name text)",
    "insert into things select n, repeat('thing ', 20) from generate_series(1, 20000) as n",
    "insert into others select n, 'other' from generate_series(1, 2000) as n",
)


class At(Progress):
    """Does something once, when the sync reaches a place of a table."""

    def __init__(self, place: str, table: str, action: Callable[[], None]) -> None:
        self._awaited: tuple[str, str] | None = (place, table)
        self._action = action

    def _reached(self, place: str, table: str) -> None:
        if self._awaited == (place, table):
            self._awaited = None
            self._action()

    def started(self, table: str, estimated_rows: int) -> None:
        self._reached("started", table)

    def advanced(self, table: str, rows: int, size: int) -> None:
        self._reached("advanced", table)

    def finished(self, table: str) -> None:
        self._reached("finished", table)


@dataclass(frozen=True)
class Application:
    """An application's database on a server, and a role that may only read it."""

    server: Server
    dbname: str
    reader: str

    def url(self, server: Server | None = None, **fields: str) -> str:
        """Its URL for the reader, on a server of the same cluster."""
        return (server or self.server).url(
            self.dbname, user=self.reader, **{"password": self.reader, **fields}
        )

    def write(self, *statements: str) -> None:
        self.server.run(*statements, dbname=self.dbname)


@pytest.fixture(scope="module")
def shared(reachable_folder: Callable[[], Path]) -> Iterator[Servers]:
    """Makes servers that live as long as this module's tests."""
    with private_servers(reachable_folder) as made:
        yield made


@pytest.fixture
def own(reachable_folder: Callable[[], Path]) -> Iterator[Servers]:
    """Makes servers that live as long as one test."""
    with private_servers(reachable_folder) as made:
        yield made


@pytest.fixture
def new_database_of(own: Servers) -> Iterator[DatabaseOf]:
    """Makes empty databases on a server of ours, dropped afterwards; gives their names."""
    made: list[tuple[Server, str]] = []

    def create(server: Server, encoding: str = "UTF8") -> str:
        dbname = f"database_{next(NUMBERS)}"
        provider = "" if encoding == "UTF8" else "locale_provider libc locale 'C'"
        server.run(f"create database {dbname} encoding '{encoding}' {provider} template template0")
        made.append((server, dbname))
        return dbname

    yield create
    for server, dbname in made:
        server.run(f"drop database {dbname} with (force)")


@pytest.fixture
def new_application(new_database_of: DatabaseOf) -> NewApplication:
    """Makes applications on a server of ours, with these tables or the application's."""

    def create(server: Server, *statements: str) -> Application:
        dbname = new_database_of(server)
        application = Application(server, dbname, f"reader_of_{dbname}")
        application.write(
            *(statements or (FOREIGN.read_text(encoding="utf-8"),)),
            f"create role {application.reader} login password '{application.reader}'",
            f"grant select on all tables in schema public to {application.reader}",
        )
        return application

    return create


def modes(result: SyncResult) -> set[str]:
    return {table.mode for table in result.tables}


# A hot standby as the source


@dataclass(frozen=True)
class Replicated:
    """A primary with a hot standby."""

    primary: Server
    standby: Server


@pytest.fixture(scope="module", params=[15, 18])
def replicated(
    request: pytest.FixtureRequest, shared: Servers, servers: Mapping[int, PostgresServer]
) -> Replicated:
    if request.param not in servers:
        pytest.skip(f"PostgreSQL {request.param} is not installed here")
    primary = shared.primary(servers[request.param], synchronous_commit="on")
    return Replicated(primary, shared.standby(primary))


def test_a_hot_standby_is_mirrored_like_a_primary(
    replicated: Replicated, new_database: NewDatabase, new_application: NewApplication
) -> None:
    primary, standby = replicated.primary, replicated.standby
    application = new_application(primary)
    both = pair(application.url(standby), new_database())
    standby.has_replayed(primary)

    sessions: list[Any] = []

    def look() -> None:
        sessions.extend(
            standby.rows(
                "select count(*) from pg_stat_activity where datname = %s", application.dbname
            )
        )

    assert modes(both.sync(progress=At("started", "shops", look))) == {"first load"}
    # The guard and one reader. On a standby, a shared snapshot may lack transactions that are in
    # progress; whoever uses it marks their rows there as aborted, for ever.
    assert sessions == [(2,)]
    assert both.differing() == []

    before = both.versions()
    nothing_new = both.sync()
    assert both.versions() == before
    assert nothing_new.warnings == []
    assert modes(nothing_new) == {"incremental"}

    application.write(*CHANGES)
    standby.has_replayed(primary)
    result = both.sync()
    assert modes(result) == {"incremental"}
    assert result_of(result, "shops") == (1, 0)
    assert result_of(result, "customer_loyalty_profiles") == (1, 1)
    assert both.differing() == []


def test_a_transaction_that_runs_long_on_the_primary_is_seen_when_it_commits(
    replicated: Replicated, new_database: NewDatabase, new_application: NewApplication
) -> None:
    primary, standby = replicated.primary, replicated.standby
    application = new_application(primary, *THINGS)
    both = pair(application.url(standby), new_database())
    with psycopg.connect(primary.url(application.dbname)) as long:
        long.execute("update things set name = 'late' where id = 1")
        # Subtransactions have numbers of their own; the server keeps only 64 at hand.
        for number in range(2, 102):
            with long.transaction():
                long.execute("delete from things where id = %s", [number])
        long.execute("insert into things values (20001, 'late')")
        standby.has_replayed(primary)
        both.sync("others", "things")

        application.write("update others set name = 'soon' where id <= 5")
        standby.has_replayed(primary)
        result = both.sync("others", "things")
        assert result_of(result, "others") == (5, 0)
        assert result_of(result, "things") == (0, 0)
        assert both.differing("others", "things") == []
        long.commit()

    standby.has_replayed(primary)
    assert result_of(both.sync("others", "things"), "things") == (2, 100)
    assert both.differing("others", "things") == []
    for table in ("others", "things"):
        query = f"select * from {table} order by id"
        undamaged = primary.rows(query, dbname=application.dbname)
        assert standby.rows(query, dbname=application.dbname) == undamaged


def test_a_promoted_standby_goes_on_being_mirrored(
    replicated: Replicated, own: Servers, new_database: NewDatabase, new_application: NewApplication
) -> None:
    application = new_application(replicated.primary, *THINGS)
    standby = own.standby(replicated.primary)
    both = pair(application.url(standby), new_database())
    both.sync("others", "things")

    standby.disconnect()
    standby.promote()
    standby.run(
        "update things set name = 'promoted' where id = 3",
        "delete from others where id = 1",
        dbname=application.dbname,
    )
    result = both.sync("others", "things")
    assert modes(result) == {"full pass"}
    assert any("timeline" in warning for warning in result.warnings)
    assert both.differing("others", "things") == []

    result = both.sync("others", "things")
    assert (modes(result), result.warnings) == ({"incremental"}, [])
    assert both.differing("others", "things") == []


def test_commits_that_a_failover_lost_are_taken_back(
    replicated: Replicated, own: Servers, new_database: NewDatabase, new_application: NewApplication
) -> None:
    primary = replicated.primary
    application = new_application(primary, *THINGS)
    standby = own.standby(primary)
    warehouse = new_database()
    before = pair(application.url(primary), warehouse)
    before.sync("others", "things")
    standby.has_replayed(primary)
    standby.disconnect()
    application.write(
        "update things set name = 'lost' where id = 1",
        "insert into things values (20001, 'lost')",
        "delete from things where id = 2",
    )
    before.sync("others", "things")

    standby.promote()
    # The same transaction numbers, for other rows.
    for number in range(3, 8):
        standby.run(
            f"update things set name = 'promoted' where id = {number}", dbname=application.dbname
        )
    after = pair(application.url(standby), warehouse)
    result = after.sync("others", "things")
    assert modes(result) == {"full pass"}
    assert result.warnings
    assert after.differing("others", "things") == []
    assert after.rows("select name, _deleted_at is null from raw.things where id > 20000") == [
        ("lost", False)
    ]


def test_a_standby_that_lags_behind_the_last_source_is_mirrored_as_it_is(
    replicated: Replicated, own: Servers, new_database: NewDatabase, new_application: NewApplication
) -> None:
    primary, ahead = replicated.primary, replicated.standby
    application = new_application(primary, *THINGS)
    behind = own.standby(primary)
    warehouse = new_database()
    from_ahead = pair(application.url(ahead), warehouse)
    from_behind = pair(application.url(behind), warehouse)
    for standby in (ahead, behind):
        standby.has_replayed(primary)
    from_ahead.sync("others", "things")

    behind.run("select pg_wal_replay_pause()")
    behind.wait_until("pg_get_wal_replay_pause_state() = 'paused'")
    application.write(
        "update things set name = 'new' where id <= 10",
        "delete from things where id between 11 and 20",
        "insert into things select n, 'new' from generate_series(20001, 20010) as n",
    )
    ahead.has_replayed(primary)
    from_ahead.sync("others", "things")
    assert from_ahead.differing("others", "things") == []

    result = from_behind.sync("others", "things")
    assert modes(result) == {"full pass"}
    assert result.warnings
    assert result_of(result, "things") == (20, 10)
    assert from_behind.differing("others", "things") == []

    behind.run("select pg_wal_replay_resume()")
    behind.has_replayed(primary)
    from_behind.sync("others", "things")
    assert from_behind.differing("others", "things") == []
    # On to the primary itself, and back.
    application.write("update things set name = 'newer' where id <= 30")
    ahead.has_replayed(primary)
    for server in (primary, ahead):
        moved = pair(application.url(server), warehouse)
        moved.sync("others", "things")
        assert moved.differing("others", "things") == []


def test_a_url_of_several_hosts_may_lead_to_another_one_each_time(
    replicated: Replicated,
    own: Servers,
    new_database: NewDatabase,
    new_application: NewApplication,
) -> None:
    primary = replicated.primary
    application = new_application(primary, *THINGS)
    standby = own.standby(primary)
    fields = {"host": "127.0.0.1,127.0.0.1", "port": f"{standby.port},{primary.port}"}
    url = make_conninfo(application.url(), **fields, target_session_attrs="prefer-standby")
    both = pair(url, new_database())
    standby.has_replayed(primary)
    both.sync("others", "things")
    assert modes(both.sync("others", "things")) == {"incremental"}

    standby.crash()
    application.write("update things set name = 'new' where id = 1", "delete from others")
    assert modes(both.sync("others", "things", allow_large_changes=True)) == {"full pass"}
    assert both.differing("others", "things") == []
    assert modes(both.sync("others", "things")) == {"incremental"}


def test_a_url_that_leads_to_several_servers_at_once_is_refused(
    replicated: Replicated, new_database: NewDatabase, new_application: NewApplication
) -> None:
    # The guard would hold its locks on one, while another one is read.
    application = new_application(replicated.primary, *THINGS)
    replicated.standby.has_replayed(replicated.primary)
    both = [replicated.standby, replicated.primary]
    url = make_conninfo(
        application.url(),
        host=",".join(["127.0.0.1"] * 2),
        port=",".join(str(server.port) for server in both),
        load_balance_hosts="random",
    )
    balanced = pair(url, new_database())

    def sync_until_refused() -> None:
        for _ in range(40):  # each time at even odds or better
            balanced.sync("others", "things")

    with pytest.raises(LoyaltyError, match="is several servers") as caught:
        sync_until_refused()
    assert caught.value.is_transient
    direct = pair(application.url(), balanced.warehouse.url)
    direct.sync("others", "things")
    assert direct.differing("others", "things") == []


@pytest.mark.parametrize("cause", ["truncate", "vacuum"])
def test_a_query_that_the_standby_cancels_changes_nothing_and_the_next_sync_heals(
    replicated: Replicated,
    own: Servers,
    new_database: NewDatabase,
    cause: str,
    new_application: NewApplication,
) -> None:
    primary = replicated.primary
    application = new_application(primary, *THINGS)
    standby = own.standby(primary, max_standby_streaming_delay="0")
    both = pair(application.url(standby), new_database())
    both.sync("others", "things")
    before = both.versions("others", "things")

    def conflict() -> None:
        if cause == "truncate":
            application.write("truncate things", "insert into things values (1, 'only')")
        else:
            application.write("delete from things where id % 7 = 0", "vacuum things")
        standby.has_replayed(primary)

    with pytest.raises(LoyaltyError, match="conflict with recovery") as caught:
        both.sync("others", "things", full=True, progress=At("started", "things", conflict))
    assert caught.value.is_transient
    assert "standby" in str(caught.value)
    assert both.versions("others", "things") == before

    both.sync("others", "things", allow_large_changes=True)
    assert both.differing("others", "things") == []


def test_a_standby_that_restarts_or_is_promoted_while_it_is_read_is_mirrored_in_the_end(
    replicated: Replicated, own: Servers, new_database: NewDatabase, new_application: NewApplication
) -> None:
    application = new_application(replicated.primary, *THINGS)
    standby = own.standby(replicated.primary)
    both = pair(application.url(standby), new_database())
    both.sync("others", "things")
    before = both.versions("others", "things")
    application.write("update things set name = 'new' where id <= 10")
    standby.has_replayed(replicated.primary)

    with pytest.raises(LoyaltyError, match="operational database") as caught:
        both.sync("others", "things", full=True, progress=At("started", "things", standby.crash))
    assert caught.value.is_transient
    assert both.versions("others", "things") == before
    standby.start()
    standby.has_replayed(replicated.primary)
    both.sync("others", "things")
    assert both.differing("others", "things") == []

    def promote() -> None:
        standby.disconnect()
        standby.promote()
        standby.run("update others set name = 'new' where id <= 10", dbname=application.dbname)

    application.write("update things set name = 'newer' where id <= 10")
    standby.has_replayed(replicated.primary)
    both.sync("others", "things", progress=At("started", "others", promote))
    assert both.rows("select count(*) from raw.things where name = 'newer'") == [(10,)]
    both.sync("others", "things")
    assert both.differing("others", "things") == []


@pytest.mark.parametrize("crash", ["of the server", "of one of its processes"])
def test_commits_that_a_crash_lost_are_taken_back(
    own: Servers,
    servers: Mapping[int, PostgresServer],
    new_database: NewDatabase,
    crash: str,
    new_application: NewApplication,
) -> None:
    # Asynchronous commits are visible before they are safe.
    server = own.primary(servers[18], synchronous_commit="off", wal_writer_delay="10s")
    application = new_application(server, *THINGS)
    both = pair(application.url(), new_database())
    both.sync("others", "things")
    server.run("checkpoint")
    application.write("update things set name = 'lost' where id = 1")
    both.sync("others", "things")
    assert both.rows("select name from raw.things where id = 1") == [("lost",)]

    if crash == "of the server":
        server.crash()
        server.start()
    else:
        server.kill_a_session()
    lost = server.rows("select name <> 'lost' from things where id = 1", dbname=application.dbname)
    assert lost == [(True,)]
    for number in range(2, 6):
        application.write(f"update things set name = 'after' where id = {number}")
    both.sync("others", "things")
    assert both.differing("others", "things") == []


# A pooler in transaction mode


@pytest.fixture(scope="module")
def source(shared: Servers, servers: Mapping[int, PostgresServer]) -> Server:
    """A server of the embedded version."""
    return shared.primary(servers[18])


@pytest.fixture
def through_pooler(
    own: Servers, source: Server, new_database: NewDatabase, new_application: NewApplication
) -> ThroughPooler:
    """Makes an application and a pooler with so many connections to it; its reader may write."""

    def make(size: int, **settings: Any) -> tuple[Pooler, Pair]:
        application = new_application(source, *THINGS)
        application.write(
            f"grant insert, update, delete on all tables in schema public to {application.reader}"
        )
        pooler = own.pooler(
            source, {application.reader: application.reader}, default_pool_size=size, **settings
        )
        return pooler, pair(
            pooler.url(application.dbname, application.reader, application.reader), new_database()
        )

    return make


def test_syncs_share_a_pooler_with_the_application(through_pooler: ThroughPooler) -> None:
    _, both = through_pooler(3)
    is_over = Event()

    def write(client: int) -> int:
        written = 0
        with psycopg.connect(both.source.url, autocommit=True, prepare_threshold=None) as other:
            while not is_over.is_set():
                row = client + 2 * (written % 500)
                other.execute("update things set name = name || '.' where id = %s", [row])
                with other.transaction():
                    other.execute("delete from others where id = %s", [row])
                    other.execute("insert into others values (%s, 'again')", [row])
                written += 1
        return written

    with ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(write, client) for client in (1, 2)]
        try:
            for _ in range(5):
                both.sync("others", "things")
        finally:
            is_over.set()
        assert all(client.result() > 0 for client in clients)
    both.sync("others", "things")
    assert both.differing("others", "things") == []
    assert both.sync("others", "things").warnings == []


def test_no_state_of_ours_stays_on_the_poolers_connections(through_pooler: ThroughPooler) -> None:
    _, both = through_pooler(3)
    before = [state_of(each) for each in whole_pool(both.source.url, 3)]
    both.sync("others", "things")
    assert both.differing("others", "things") == []
    after = [state_of(each) for each in whole_pool(both.source.url, 3)]

    assert {state["pid"] for state in after} == {state["pid"] for state in before}
    theirs = {state.pop("pid"): state for state in before}
    for state in after:
        expected = theirs[state.pop("pid")]
        assert {name: value for name, value in state.items() if value != expected[name]} == {}


def whole_pool(url: str, size: int) -> Iterator[psycopg.Connection[Any]]:
    """Every connection that a pooler has, held until all were looked at."""
    with ExitStack() as stack:
        yield from [stack.enter_context(psycopg.connect(url)) for _ in range(size)]


def state_of(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """All that a session of the server carries from one client to the next."""
    found: dict[str, Any] = dict(connection.execute("select name, setting from pg_settings"))
    for name, query in {
        "pid": "select pg_backend_pid()",
        "prepared": "select count(*) from pg_prepared_statements",
        "temporary": "select pg_my_temp_schema()::text",
        "locks": "select count(*) from pg_locks where locktype = 'advisory' "
        "and pid = pg_backend_pid()",
    }.items():
        row = connection.execute(query).fetchone()
        assert row is not None
        found[name] = row[0]
    return found


def test_a_pool_of_two_connections_is_enough(through_pooler: ThroughPooler) -> None:
    _, both = through_pooler(2, query_wait_timeout=2)
    both.sync("others", "things")
    assert both.differing("others", "things") == []
    both.write("update things set name = 'new' where id = 1", "delete from others where id = 1")
    assert modes(both.sync("others", "things")) == {"incremental"}
    assert both.differing("others", "things") == []


def test_a_pool_of_one_connection_is_a_clear_error(through_pooler: ThroughPooler) -> None:
    _, both = through_pooler(1, query_wait_timeout=2)
    with pytest.raises(LoyaltyError, match="operational database") as caught:
        both.sync("others", "things")
    assert caught.value.is_transient
    assert "pool" in str(caught.value)
    assert both.rows("select to_regclass('raw.things')") == [(None,)]


def test_a_pooler_that_never_answers_is_not_waited_for_without_end(
    through_pooler: ThroughPooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "ANSWER_SECONDS", 0.5)
    _, both = through_pooler(1, query_wait_timeout=0)
    with pytest.raises(LoyaltyError, match="no connection left for this one") as caught:
        both.sync("others", "things")
    assert caught.value.is_transient
    assert "pool" in str(caught.value)


def test_a_warehouse_behind_a_pooler_is_refused(
    own: Servers, source: Server, new_application: NewApplication, new_database_of: DatabaseOf
) -> None:
    # Session locks stay on the pooler's connections: two runs could write at once.
    application = new_application(source, *THINGS)
    target = new_database_of(source)
    pooler = own.pooler(source, {SUPERUSER: PASSWORD})
    both = pair(application.url(), pooler.url(target, SUPERUSER, PASSWORD))
    with pytest.raises(LoyaltyError, match="pooler") as caught:
        both.sync("things")
    assert "LOYALTY_WAREHOUSE_URL" in caught.value.remedy
    assert source.rows("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]


# TLS


@dataclass(frozen=True)
class Secured:
    """A server with TLS, and the folder of its certificates."""

    server: Server
    folder: Path

    def fields(self, sslmode: str, root: str = "root", client: str | None = None) -> dict[str, str]:
        """A URL's fields."""
        own = {"sslcert": f"{client}.crt", "sslkey": f"{client}.key"} if client else {}
        files = {"sslrootcert": f"{root}.crt", **own}
        return {
            "host": "localhost",
            "hostaddr": "127.0.0.1",
            "sslmode": sslmode,
            **{name: str(self.folder / file) for name, file in files.items()},
        }


CERTIFIED = "certified_reader"


@pytest.fixture(scope="module")
def secured(
    shared: Servers,
    servers: Mapping[int, PostgresServer],
    tmp_path_factory: pytest.TempPathFactory,
) -> Secured:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed here")
    if 15 not in servers:
        pytest.skip("Debian's PostgreSQL 15 is not installed here; the bundled ones have no TLS")
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder, CERTIFIED)
    server = shared.primary(servers[15])
    server.secure(folder, f"hostssl all {CERTIFIED} all cert")
    server.run(f"create role {CERTIFIED} login")
    return Secured(server, folder)


@pytest.mark.parametrize("sslmode", ["require", "verify-full"])
def test_every_connection_is_encrypted_as_the_urls_say(
    secured: Secured, sslmode: str, new_application: NewApplication, new_database_of: DatabaseOf
) -> None:
    fields = secured.fields(sslmode)
    application = new_application(secured.server, *THINGS)
    target = new_database_of(secured.server)
    both = pair(application.url(**fields), secured.server.url(target, **fields))
    seen: dict[str, list[bool]] = {}

    def look() -> None:
        for dbname in (application.dbname, target):
            found = secured.server.rows(
                "select ssl from pg_stat_ssl inner join pg_stat_activity using (pid) "
                "where datname = %s",
                dbname,
            )
            seen[dbname] = [is_encrypted for (is_encrypted,) in found]

    both.sync("others", "things", progress=At("started", "things", look))
    assert both.differing("others", "things") == []
    # The guard and a reader at least; the lock and a writer.
    assert {dbname: len(found) >= 2 for dbname, found in seen.items()} == dict.fromkeys(seen, True)
    assert all(all(found) for found in seen.values())


@pytest.mark.parametrize("wrong", ["operational database", "warehouse"])
def test_a_server_that_the_root_certificate_does_not_vouch_for_is_refused(
    secured: Secured, wrong: str, new_application: NewApplication, new_database_of: DatabaseOf
) -> None:
    right, other = secured.fields("verify-full"), secured.fields("verify-full", root="other")
    application = new_application(secured.server, *THINGS)
    target = new_database_of(secured.server)
    both = pair(
        application.url(**(right if wrong == "warehouse" else other)),
        secured.server.url(target, **(other if wrong == "warehouse" else right)),
    )
    with pytest.raises(LoyaltyError, match=f"The {wrong} .*certificate verify failed") as caught:
        both.sync("others", "things")
    assert "sslrootcert" in caught.value.remedy
    assert not caught.value.is_transient


def test_client_certificates_are_shown_to_the_source(
    secured: Secured, new_database: NewDatabase, new_application: NewApplication
) -> None:
    application = new_application(secured.server, *THINGS)
    application.write(f"grant select on all tables in schema public to {CERTIFIED}")

    def url(client: str | None) -> str:
        fields = secured.fields("verify-full", client=client)
        return secured.server.url(application.dbname, user=CERTIFIED, password="", **fields)

    names: list[Any] = []

    def look() -> None:
        names.extend(
            secured.server.rows(
                "select distinct client_dn from pg_stat_ssl inner join pg_stat_activity using (pid)"
                " where datname = %s",
                application.dbname,
            )
        )

    both = pair(url(CERTIFIED), new_database())
    both.sync("others", "things", progress=At("started", "things", look))
    assert names == [(f"/CN={CERTIFIED}",)]
    assert both.differing("others", "things") == []

    with pytest.raises(LoyaltyError, match="valid client certificate") as caught:
        pair(url(None), both.warehouse.url).sync("others", "things")
    assert "sslcert" in caught.value.remedy
    assert not caught.value.is_transient


def test_a_server_without_tls_is_refused_where_the_url_asks_for_it(
    source: Server, new_database: NewDatabase, new_application: NewApplication
) -> None:
    application = new_application(source, *THINGS)
    both = pair(application.url(sslmode="require"), new_database())
    with pytest.raises(LoyaltyError, match="does not support SSL") as caught:
        both.sync("things")
    assert "sslmode" in caught.value.remedy
    assert not caught.value.is_transient


# Settings of roles and databases

ODD_VALUES = (
    "create type place as (at timestamptz, after interval, raw bytea, far float8)",
    "create table things (id integer primary key, name text, period interval, raw bytea, "
    "price money, far float8, times timestamptz[], day date, place place, during tstzrange)",
    "create table others (id integer primary key, name text)",
    "insert into things select n, E'caf\\u00e9 \\\\ ' || n, "
    "make_interval(months => n, hours => -n, secs => 0.25), "
    "decode(to_hex(n + 4096), 'hex'), n * 1.25::numeric::money, 1 / n::float8, "
    "array['2025-03-30 01:30+00'::timestamptz + n * interval '1 hour', 'infinity'], "
    "date '2025-02-03' + n, "
    "row('2025-03-30 01:30+00'::timestamptz, '1 day'::interval, '\\x5c00'::bytea, pi() / n)"
    "::place, "
    "tstzrange('2025-01-02 12:00+00', null) from generate_series(1, 12000) as n",
    "insert into others select n, 'other' from generate_series(1, 2000) as n",
    # What an odd search_path finds first.
    "create schema odd",
    "create table odd.things (id integer primary key, name text)",
    "create function odd.age(xid) returns integer language sql return 0",
)

FORMATS = {
    "timezone": "Asia/Kolkata",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "client_encoding": "LATIN1",
    "lc_monetary": "C",
    "search_path": "odd, pg_catalog",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
}
TRANSACTIONS = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
}
READ_ONLY = {"default_transaction_read_only": "on"}
LIMITS = {
    "statement_timeout": "500ms",
    "lock_timeout": "500ms",
    "idle_in_transaction_session_timeout": "500ms",
    "idle_session_timeout": "500ms",
    "transaction_timeout": "500ms",
}


@pytest.fixture
def odd(
    source: Server, new_application: NewApplication, new_database_of: DatabaseOf
) -> tuple[Application, Pair]:
    """Odd values, mirrored with the settings that everybody has."""
    application = new_application(source, *ODD_VALUES)
    both = pair(application.url(), source.url(new_database_of(source)))
    both.sync("others", "things")
    return application, both


def change(application: Application, both: Pair, side: str, settings: Mapping[str, str]) -> None:
    """Gives the reader, or the warehouse's database, these settings for new sessions."""
    whose = (
        f"role {application.reader}"
        if side == "source"
        else f"database {both.warehouse.fields['dbname']}"
    )
    for name, value in settings.items():
        application.server.run(
            f"alter {whose} set {name} = " + (value if name == "search_path" else f"'{value}'")
        )


@pytest.mark.parametrize(
    ("side", "settings"),
    [
        pytest.param("source", FORMATS, id="formats of the source"),
        pytest.param("warehouse", FORMATS, id="formats of the warehouse"),
        pytest.param("source", TRANSACTIONS | READ_ONLY, id="transactions of the source"),
        pytest.param("warehouse", TRANSACTIONS, id="transactions of the warehouse"),
    ],
)
def test_settings_of_a_login_change_no_value(
    odd: tuple[Application, Pair], side: str, settings: Mapping[str, str]
) -> None:
    application, both = odd
    change(application, both, side, settings)

    # Read again, no value differs from what it was without the settings.
    again = both.sync("others", "things", full=True)
    assert [(t.rows_changed, t.rows_deleted) for t in again.tables] == [(0, 0)] * 2
    assert again.warnings == []
    application.write(
        "update things set far = far / 3, during = null, times = array[times[1]] where id % 2 = 0",
        "delete from things where id % 5 = 0",
        "insert into things (id, name) values (20001, 'new')",
    )
    result = both.sync("others", "things")
    assert modes(result) == {"incremental"}
    assert result_of(result, "things") == (4801, 2400)
    assert both.differing("others", "things") == []


@pytest.mark.parametrize("side", ["source", "warehouse"])
def test_a_logins_own_limits_do_not_end_a_sync(odd: tuple[Application, Pair], side: str) -> None:
    application, both = odd
    change(application, both, side, LIMITS)
    names = [application.dbname, both.warehouse.fields["dbname"]]

    def outlast() -> None:
        application.server.wait_until(
            "not exists (select from pg_stat_activity where datname = any(%s) "
            "and clock_timestamp() - greatest(state_change, query_start) < '1 s')",
            names,
        )

    both.sync("others", "things", full=True, progress=At("advanced", "things", outlast))
    application.write("update things set name = 'new' where id = 1")
    progress = At("advanced", "things", outlast)
    assert result_of(both.sync("others", "things", progress=progress), "things") == (1, 0)
    assert both.differing("others", "things") == []


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_source_of_another_encoding_is_mirrored(
    source: Server, new_database: NewDatabase, encoding: str, new_database_of: DatabaseOf
) -> None:
    dbname = new_database_of(source, encoding)
    both = pair(source.url(dbname), new_database())
    text = "convert_from('\\xc3a96a', 'UTF8')"
    both.write(
        "create table things (id integer primary key, name text, parts text[], facts json)",
        f"insert into things select 1, {text}, array[{text}], json_build_object('a', {text})",
    )
    both.sync("things")
    found = both.rows("select name, parts, facts->>'a' from raw.things")
    assert found == [("éj", ["éj"], "éj")]
    assert both.differing("things") == []
    if encoding == "LATIN1":
        return

    both.write("insert into things values (2, E'\\xe9')")  # no UTF-8
    with pytest.raises(LoyaltyError, match="invalid byte sequence") as caught:
        both.sync("things")
    assert "things" in str(caught.value)
    assert both.rows("select count(*) from raw.things") == [(1,)]


def test_a_warehouse_of_another_encoding_is_refused(
    source: Server, new_application: NewApplication, new_database_of: DatabaseOf
) -> None:
    application = new_application(source, *THINGS)
    dbname = new_database_of(source, "LATIN1")
    with pytest.raises(LoyaltyError, match="warehouse's encoding is not UTF8"):
        pair(application.url(), source.url(dbname)).sync("things")


# Privileges


@pytest.mark.parametrize(
    ("granted", "is_incremental"),
    [("id, name, xmin, ctid", True), ("id, name, xmin", True), ("id, name", False)],
)
def test_column_grants_suffice_and_a_warning_says_what_is_slow_without(
    source: Server,
    new_database: NewDatabase,
    granted: str,
    is_incremental: bool,
    new_application: NewApplication,
) -> None:
    application = new_application(source, *THINGS)
    application.write(
        "alter table things add secret_note text default 'never'",
        f"revoke select on things from {application.reader}",
        f"grant select ({granted}) on things to {application.reader}",
    )
    both = pair(application.url(), new_database())
    first = both.sync("others", "things")
    application.write(
        "update things set name = 'new' where id % 1000 = 0",
        "delete from things where id % 1000 = 1",
        "update others set name = 'new' where id = 1",
    )
    second = both.sync("others", "things")
    assert result_of(second, "things") == (20, 20)
    assert both.differing("others", "things") == []
    assert both.rows("select attname::text from pg_attribute where attname = 'secret_note'") == []

    by_name = {table.table_name: table.mode for table in second.tables}
    assert by_name == {
        "others": "incremental",
        "things": "incremental" if is_incremental else "full pass",
    }
    for result in (first, second):
        asked = [w for w in result.warnings if re.search(r"grant select \(xmin.*public\.things", w)]
        assert len(asked) == (0 if is_incremental else 1)


def test_a_role_that_may_not_call_the_servers_functions_is_mirrored_alike(
    source: Server, new_database: NewDatabase, new_application: NewApplication
) -> None:
    application = new_application(source, *THINGS)
    application.write(
        "do $$ declare f regprocedure; begin "
        "for f in select oid from pg_proc where proname in ('pg_control_system', "
        "'pg_control_checkpoint', 'pg_walfile_name', 'pg_current_wal_lsn', "
        "'pg_current_wal_insert_lsn', 'pg_last_wal_replay_lsn', 'pg_postmaster_start_time', "
        "'pg_export_snapshot') loop "
        "execute format('revoke execute on function %s from public', f); end loop; end $$",
        "revoke select on pg_stat_bgwriter from public",
    )
    both = pair(application.url(), new_database())
    both.sync("others", "things")
    application.write("update things set name = 'new' where id = 1", "delete from others")
    both.sync("others", "things", allow_large_changes=True)
    assert both.differing("others", "things") == []


# Limits for the source's sake


def test_every_session_carries_limits_and_may_not_write(
    source: Server, new_application: NewApplication
) -> None:
    application = new_application(source, *THINGS)
    source.run(f"alter role {application.reader} set lock_timeout = 0")
    database = pair(application.url(), "").source
    with snapshots.open_snapshot(database, "public", ["things"], streams=2) as snapshot:
        sessions = [snapshot.guard.connection, *(each.connection for each in snapshot.readers)]
        assert len(sessions) == 3
        for session in sessions:
            found = dict(session.execute("select name, setting from pg_settings").fetchall())
            assert 0 < int(found["lock_timeout"]) <= 30_000
            for name in (
                "statement_timeout",
                "idle_in_transaction_session_timeout",
                "transaction_timeout",
            ):
                assert 0 < int(found[name]) <= 12 * 3_600_000
            assert found["transaction_read_only"] == "on"
            assert found["row_security"] == "off"


def test_a_table_that_stays_locked_is_named(
    source: Server, new_database: NewDatabase, new_application: NewApplication
) -> None:
    application = new_application(source, *THINGS)
    both = pair(application.url(), new_database())
    both.sync("others", "things")
    before = both.versions("others", "things")
    # A shorter limit of the login's own is kept, so this need not take half a minute.
    source.run(f"alter role {application.reader} set lock_timeout = '200ms'")

    with psycopg.connect(source.url(application.dbname)) as migration:
        migration.execute("lock table things in access exclusive mode")
        with pytest.raises(LoyaltyError, match="lock timeout") as caught:
            both.sync("others", "things")
    assert "public.things" in str(caught.value)
    assert caught.value.is_transient
    assert both.versions("others", "things") == before
    both.sync("others", "things")
    assert both.differing("others", "things") == []


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_login_with_few_connections_reads_over_fewer_or_says_so(
    source: Server, new_database: NewDatabase, limit: int, new_application: NewApplication
) -> None:
    application = new_application(source, *THINGS)
    source.run(f"alter role {application.reader} connection limit {limit}")
    both = pair(application.url(), new_database())
    if limit > 1:
        both.sync("others", "things")
        assert both.differing("others", "things") == []
        return
    with pytest.raises(LoyaltyError, match="has no connection left") as caught:
        both.sync("others", "things")
    assert caught.value.is_transient
    # Nothing of the failed sync keeps the login's only connection.
    both.source.connect().close()


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_a_warehouse_login_with_few_connections_writes_over_fewer_or_says_so(
    source: Server, limit: int, new_application: NewApplication, new_database_of: DatabaseOf
) -> None:
    application = new_application(source, *THINGS)
    target = new_database_of(source)
    role = f"owner_of_{target}"
    source.run(
        f"create role {role} login password '{role}' connection limit {limit}",
        f"grant create on database {target} to {role}",
    )
    both = pair(application.url(), source.url(target, user=role, password=role))
    if limit >= 3:
        both.sync("others", "things")
        assert both.differing("others", "things") == []
        return
    with pytest.raises(LoyaltyError, match=r"The warehouse .* has no connection left"):
        both.sync("others", "things")

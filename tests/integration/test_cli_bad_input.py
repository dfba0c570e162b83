"""Whatever is wrong, the command says what it is and what to do: no stack, and no password."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from conftest import PostgresServer
from deployment import (
    LONG_SECONDS,
    SECRET,
    Deployment,
    Finished,
    locked,
    wait_for_lock,
    wait_until_gone,
)


@pytest.fixture(scope="module")
def foreign(
    servers: Mapping[int, PostgresServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    made = Deployment(servers[18], servers[18], tmp_path_factory.mktemp("home"))
    yield made
    made.drop()


@pytest.fixture
def own(servers: Mapping[int, PostgresServer], tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(servers[18], servers[18], tmp_path / "home")
    yield made
    made.drop()


def assert_plain(finished: Finished, *words: str, code: int = 1) -> None:
    assert finished.code == code, finished.said
    for word in words:
        assert word in finished.err, finished.said
    assert "Traceback" not in finished.said
    assert SECRET not in finished.said


def url_of(deployment: Deployment, **parts: str) -> str:
    fields = {
        "user": deployment.owner,
        "password": SECRET,
        "host": "127.0.0.1",
        "port": str(deployment.target.port),
        "dbname": deployment.warehouse,
        **parts,
    }
    return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**fields)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"port": "1"}, ["cannot be reached: Connection refused", "Is the server running?"]),
        ({"host": "nowhere.invalid"}, ["cannot be reached", "nowhere.invalid", "host and port"]),
        ({"password": "guess"}, ["refused the user name or the password", "Check the login"]),
        ({"dbname": "nowhere"}, ["/nowhere does not exist on that server", "correct the name"]),
        ({"port": "port"}, ["has a URL that cannot be used", '"port"']),
        ({"password": f"{SECRET} {SECRET}"}, ["is not a PostgreSQL URL", "postgresql://user:"]),
    ],
    ids=["refused", "no such host", "wrong password", "no such database", "port", "malformed"],
)
def test_a_warehouse_that_cannot_be_used_is_named_with_its_variable(
    foreign: Deployment, parts: dict[str, str], words: list[str]
) -> None:
    finished = foreign.loyalty(
        "run", "--no-activate", LOYALTY_WAREHOUSE_URL=url_of(foreign, **parts)
    )
    assert_plain(finished, "warehouse", "LOYALTY_WAREHOUSE_URL", *words)
    assert not finished.out


@pytest.mark.parametrize("url", [f"mysql://root:{SECRET}@localhost/shop", f"host {SECRET}"])
def test_a_url_of_something_else_is_refused_without_being_repeated(
    foreign: Deployment, url: str
) -> None:
    finished = foreign.loyalty("sync", LOYALTY_OPERATIONAL_URL=url)
    assert_plain(finished, "URL of the operational database is not", "LOYALTY_OPERATIONAL_URL")


def test_what_the_source_lacks_is_named_one_by_one(own: Deployment) -> None:
    own.on_source(
        "drop table loyalty_analytics",
        "alter table referral_clicks rename to clicks",
        "create view referral_clicks as select * from clicks",
        f"grant select on referral_clicks to {own.reader}",
        "alter table shops drop column created_at",
        f"revoke select on campaigns from {own.reader}",
    )
    finished = own.loyalty("sync")
    assert_plain(
        finished,
        "loyalty_analytics: the table is missing",
        "referral_clicks: is a view; a table is needed",
        "shops.created_at: the column is missing",
        "campaigns: the role may not select from it: see `loyalty operational grants`",
        "`loyalty operational check`",
    )
    assert own.rows("select to_regclass('raw.shops')") == [(None,)]


def test_an_empty_application_database_is_said_to_be_empty(
    foreign: Deployment, new_database: Callable[[], str]
) -> None:
    finished = foreign.loyalty("sync", LOYALTY_OPERATIONAL_URL=new_database())
    assert_plain(finished, "none of the 15 tables", "LOYALTY_OPERATIONAL_URL")


def test_a_failing_run_says_why_at_its_end_and_is_json_on_demand(foreign: Deployment) -> None:
    finished = foreign.loyalty("run", "--json", LOYALTY_OPERATIONAL_SCHEMA="elsewhere")
    assert_plain(finished)
    document = json.loads(finished.out)
    assert document["success"] is False
    assert "schema elsewhere does not exist" in document["failures"][0]


def test_a_warehouse_role_that_may_not_create_schemas_is_told_the_grant(own: Deployment) -> None:
    own.on_target(f"revoke create on database {own.warehouse} from {own.owner}")
    for command in ("sync", "build", "activate"):
        assert_plain(own.loyalty(command), "CREATE on its database", "grant create on database")


def test_a_read_only_warehouse_is_said_to_be_one(own: Deployment) -> None:
    own.on_target(f"alter database {own.warehouse} set default_transaction_read_only = on")
    for command in ("sync", "build"):
        assert_plain(own.loyalty(command), "The warehouse is read-only", "primary")
    assert own.loyalty("doctor").code == 1


def test_build_and_activate_before_a_sync_say_what_comes_first(own: Deployment) -> None:
    assert_plain(own.loyalty("build"), "holds no segments yet", "loyalty sync")
    finished = own.loyalty("activate", "--json")
    assert_plain(finished, "has no marts.customer_segments yet", "`loyalty build`")
    assert not finished.out
    assert_plain(own.loyalty("segments", "list"), "not been built", "loyalty run")


def test_options_that_make_no_sense_are_refused(foreign: Deployment) -> None:
    assert_plain(foreign.loyalty("run", "--as-of", "yesterday"), "'yesterday'", "2026-03-31")
    assert_plain(foreign.loyalty("run", "--no-such-option"), "--no-such-option", code=2)
    assert_plain(foreign.loyalty("rnu"), "'run'", code=2)


def test_a_home_that_cannot_be_written_is_named(foreign: Deployment, tmp_path: Path) -> None:
    in_the_way = tmp_path / "a file"
    in_the_way.touch()
    for command in ("run", "build"):
        finished = foreign.loyalty(command, LOYALTY_HOME=str(in_the_way))
        assert_plain(finished, "LOYALTY_HOME", "a file", "a folder that you may write")


@pytest.mark.parametrize("command", ["sync", "run"])
def test_ctrl_c_in_the_sync_ends_it_in_plain_words_and_leaves_nothing(
    own: Deployment, command: str
) -> None:
    source = own.source.url(own.operational)
    with locked(source, "point_transactions"), own.started(command) as process:
        wait_for_lock(source, "loyalty-warehouse")
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()
        assert_plain(Finished(process.returncode, out, err), "Stopped.", "again", code=130)
    assert own.rows("select count(*) from ops.sync_runs") == [(0,)]
    assert own.loyalty("sync").code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_build_stops_dbt_too(own: Deployment, number: signal.Signals) -> None:
    assert own.loyalty("sync").code == 0
    target = own.target.url(own.warehouse)
    with locked(target, "raw.point_transactions"), own.started("build") as process:
        wait_for_lock(target, "loyalty-dbt")
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # a terminal tells all of the group
        else:
            os.kill(process.pid, number)
        out, err = process.communicate()
        assert_plain(Finished(process.returncode, out, err), "Stopped.", code=128 + number)
        wait_until_gone(target, "loyalty-dbt")


def test_of_two_at_once_the_second_says_that_it_waits_and_both_end_well(own: Deployment) -> None:
    source = own.source.url(own.operational)
    with locked(source, "point_transactions") as lock, own.started("sync") as first:
        wait_for_lock(source, "loyalty-warehouse")  # it has the warehouse, and waits for the table
        with own.started("sync") as second:
            assert second.stderr is not None
            assert "Another run is writing the warehouse" in second.stderr.readline()
            lock.rollback()
            assert [process.wait(LONG_SECONDS) for process in (first, second)] == [0, 0]
    assert own.rows("select count(*) from ops.sync_runs") == [(2,)]

"""The embedded server, started for real in homes of its own, and what is said when it cannot be."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration import embedded
from orchestration.embedded import binaries
from orchestration.embedded import cluster as cluster_module
from orchestration.embedded.account import Account, server_account
from orchestration.errors import LoyaltyError

IS_ROOT = os.geteuid() == 0
START = """
import sys, pathlib
from orchestration import embedded
home = pathlib.Path(sys.argv[1])
print(embedded.ensure_running(home).url("warehouse"), embedded.status(home).pid)
"""


@pytest.fixture
def base(reachable_folder: Callable[[], Path]) -> Path:
    """A folder of one test alone."""
    return reachable_folder()


@pytest.fixture
def new_home(base: Path) -> Iterator[Path]:
    """A LOYALTY_HOME that does not exist yet; its server is stopped and removed afterwards."""
    yield base / "home"
    embedded.remove(base / "home")


@pytest.fixture(scope="module")
def made_home(reachable_folder: Callable[[], Path]) -> Path:
    """A LOYALTY_HOME whose server was made, and does not run."""
    home = reachable_folder() / "home"
    embedded.ensure_running(home)
    embedded.stop(home)
    (home / "postgres" / "server.json").unlink()
    return home


@pytest.fixture
def home(made_home: Path, new_home: Path) -> Path:
    """A copy of `made_home`, of one test alone."""
    subprocess.run(["cp", "-a", made_home, new_home], check=True)
    return new_home


@pytest.fixture(scope="module")
def running_home(made_home: Path) -> Iterator[Path]:
    """A LOYALTY_HOME whose server runs, for tests that leave it as it is."""
    home = made_home.with_name("running")
    subprocess.run(["cp", "-a", made_home, home], check=True)
    embedded.ensure_running(home)
    yield home
    embedded.remove(home)


def session(server: embedded.Server, dbname: str = "warehouse") -> psycopg.Connection[TupleRow]:
    return psycopg.connect(server.url(dbname), autocommit=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_first_start_makes_both_databases_and_their_owner_is_no_superuser(
    running_home: Path,
) -> None:
    server = embedded.ensure_running(running_home)
    for dbname in ("operational", "warehouse"):
        with session(server, dbname) as connection:
            connection.execute("create schema if not exists marts")
            row = connection.execute(
                "select pg_encoding_to_char(encoding), datlocale, usesuper,"
                " current_setting('timezone')"
                " from pg_database, pg_user where datname = %s and usename = current_user",
                [dbname],
            ).fetchone()
        assert row == ("UTF8", "C.UTF-8", False, "UTC")


def test_second_call_returns_the_same_server(running_home: Path) -> None:
    assert embedded.ensure_running(running_home) == embedded.ensure_running(running_home)


def test_many_commands_at_once_start_one_server(new_home: Path) -> None:
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(new_home)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    answers = {start.communicate(timeout=120)[0] for start in starts}
    assert {start.returncode for start in starts} == {0}
    assert len(answers) == 1


def test_server_outlives_the_command_that_started_it_and_its_terminal(home: Path) -> None:
    start = subprocess.Popen(
        [sys.executable, "-c", START + "sys.stdout.flush(); sys.stdin.read()", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert start.stdout
    pid = int(start.stdout.readline().split()[1])
    os.killpg(start.pid, signal.SIGINT)
    start.wait(timeout=30)
    assert embedded.status(home).pid == pid
    assert os.getsid(pid) not in (start.pid, os.getsid(0))


def test_killed_server_starts_again_with_what_was_committed(home: Path) -> None:
    server = embedded.ensure_running(home)
    with session(server) as connection:
        connection.execute("create table kept as select 42 as answer")
    kill_server(home)
    again = embedded.ensure_running(home)
    with session(again) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)
    assert again == server


def test_process_id_of_a_killed_server_may_be_taken_by_another_program(home: Path) -> None:
    embedded.ensure_running(home)
    kill_server(home)
    file = home / "postgres" / "data" / "postmaster.pid"
    lines = file.read_text().splitlines()
    with unrelated_process(server_account(home / "postgres" / "data")) as pid:
        file.write_text("\n".join([str(pid), *lines[1:]]) + "\n")
        assert not embedded.status(home).running
        embedded.ensure_running(home)


def test_sessions_that_outlive_a_killed_server_are_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "LEFTOVER_SECONDS", 0.2)
    with session(embedded.ensure_running(home)) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        pid = embedded.status(home).pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        while embedded.running(home):
            pass  # until the kill has arrived
        with pytest.raises(LoyaltyError, match="still running"):
            embedded.ensure_running(home)
        with pytest.raises(LoyaltyError, match="still running"):
            embedded.stop(home)
        os.kill(backend, signal.SIGKILL)
    monkeypatch.setattr(cluster_module, "LEFTOVER_SECONDS", 30)
    embedded.ensure_running(home)


def test_start_that_was_killed_before_the_databases_were_made_is_finished(home: Path) -> None:
    server = embedded.ensure_running(home)
    with psycopg.connect(
        server.url("warehouse"), user="postgres", password=superuser_password(home), autocommit=True
    ) as connection:
        connection.execute("drop database operational")
    (home / "postgres" / "server.json").unlink()
    with session(embedded.ensure_running(home), "operational") as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_initdb_that_was_killed_leaves_nothing_that_counts(home: Path) -> None:
    data = home / "postgres" / "data"
    half = home / "postgres" / "initdb-killed" / "data"
    half.parent.mkdir()
    data.rename(half)
    (half / "PG_VERSION").unlink()
    embedded.ensure_running(home)
    assert not half.exists()


def test_port_is_kept_from_start_to_start(home: Path) -> None:
    first = embedded.ensure_running(home)
    assert embedded.stop(home)
    assert not embedded.stop(home)
    assert embedded.ensure_running(home) == first


def test_taken_port_is_replaced_and_said(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = embedded.ensure_running(home)
    embedded.stop(home)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", first.port))
        other.listen()
        with caplog.at_level(logging.WARNING):
            second = embedded.ensure_running(home)
    assert second.port != first.port
    assert f"Port {first.port} is taken" in caplog.text
    with session(second) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_socket_moves_to_a_short_private_folder_where_the_path_is_too_long(
    base: Path, made_home: Path
) -> None:
    home = base / ("h" * 120)
    subprocess.run(["cp", "-a", made_home, home], check=True)
    try:
        server = embedded.ensure_running(home)
        known = json.loads((home / "postgres" / "server.json").read_text())
        sockets = Path(known["socket_directory"])
        assert mode(sockets) == 0o700
        with psycopg.connect(server.url("warehouse"), host=str(sockets)) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        embedded.remove(home)
    assert not sockets.exists()


def test_paths_with_spaces_quotes_and_dollars_work(base: Path) -> None:
    home = base / """it's "5 $HOME" `é`, \\n"""
    try:
        with session(embedded.ensure_running(home)) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        embedded.remove(home)


def test_everything_is_private_and_every_login_needs_the_password(running_home: Path) -> None:
    server = embedded.ensure_running(running_home)
    folder = running_home / "postgres"
    assert mode(folder) & 0o007 == 0
    assert mode(folder / "data") == mode(folder / "socket") == 0o700
    for name in ("pgpass", "server.json", "server.log", "running.lock"):
        assert mode(folder / name) == 0o600
    for host in ("127.0.0.1", str(folder / "socket")):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url("warehouse"), host=host, password="guessed")
        with psycopg.connect(server.url("warehouse"), host=host) as connection:
            assert connection.pgconn.used_password
    assert server.password not in repr(server)


def test_log_holds_neither_statements_nor_values(running_home: Path) -> None:
    with session(embedded.ensure_running(running_home)) as connection:
        connection.execute("create table people (email text primary key)")
        connection.execute("insert into people values ('ada@example.org')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("insert into people values ('ada@example.org')")
    assert "ada@example.org" not in (running_home / "postgres" / "server.log").read_text()


def test_data_of_another_major_version_are_left_alone(home: Path) -> None:
    (home / "postgres" / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(LoyaltyError, match=r"made by PostgreSQL 16.*is 18"):
        embedded.ensure_running(home)


def test_damaged_data_are_named_with_the_log(home: Path) -> None:
    (home / "postgres" / "data" / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(LoyaltyError, match="damaged") as error:
        embedded.ensure_running(home)
    assert "pg_control" in error.value.remedy


def test_missing_passwords_are_named(home: Path) -> None:
    (home / "postgres" / "pgpass").unlink()
    with pytest.raises(LoyaltyError, match="passwords are missing"):
        embedded.ensure_running(home)


def test_home_that_is_a_file_is_named(base: Path) -> None:
    (base / "file").write_text("")
    with pytest.raises(LoyaltyError, match="cannot be used"):
        embedded.ensure_running(base / "file")


def test_status_and_stop_make_nothing(new_home: Path) -> None:
    status = embedded.status(new_home)
    assert not status.running
    assert status.size_bytes is None
    assert not embedded.stop(new_home)
    assert not embedded.remove(new_home)
    assert not new_home.exists()


def test_removed_data_are_gone_and_the_server_starts_anew(home: Path) -> None:
    first = embedded.ensure_running(home)
    assert embedded.remove(home)
    assert not (home / "postgres").exists()
    assert embedded.ensure_running(home).password != first.password


@pytest.mark.parametrize("through_a_link", [False, True])
def test_folder_of_somebody_else_is_neither_taken_nor_removed(
    new_home: Path, through_a_link: bool
) -> None:
    folder = new_home.with_name("disk") if through_a_link else new_home / "postgres"
    (folder / "data").mkdir(parents=True)
    new_home.mkdir(exist_ok=True)
    if through_a_link:
        (new_home / "postgres").symlink_to(folder)
    (folder / "data" / "PG_VERSION").write_text("18\n")
    (folder / "data" / "postmaster.pid").write_text("1\n")
    before = sorted(folder.rglob("*"))
    try:
        for touch in (embedded.ensure_running, embedded.remove):
            with pytest.raises(LoyaltyError, match="holds data, which is not the embedded"):
                touch(new_home)
        assert sorted(folder.rglob("*")) == before
        assert (folder / "data" / "postmaster.pid").read_text() == "1\n"
    finally:
        shutil.rmtree(folder)


def test_removal_leaves_what_others_put_beside_the_data(home: Path) -> None:
    (home / "postgres" / "backup.dump").write_text("mine")
    (home / "elsewhere").mkdir()
    (home / "elsewhere" / "old.log").write_text("mine")
    (home / "postgres" / "server.log.old").symlink_to(home / "elsewhere")
    assert embedded.remove(home)
    assert [path.name for path in (home / "postgres").iterdir()] == ["backup.dump"]
    assert (home / "elsewhere" / "old.log").exists()
    assert not embedded.remove(home)


@pytest.mark.skipif(not IS_ROOT, reason="only root can make a folder that only root may enter")
def test_home_and_programs_below_a_folder_of_roots_alone_work(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base.chmod(0o700)
    installed = binaries.bundled().parent.parent
    for part in (f"{installed.name}/pginstall18", f"{installed.name}.libs"):
        shutil.copytree(installed.parent / part, base / "venv" / part)
    (base / "venv" / installed.name / "__init__.py").touch()
    monkeypatch.syspath_prepend(base / "venv")
    home = base / "home"
    try:
        with session(embedded.ensure_running(home)) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        outside = embedded.status(home).data_directory
        assert base not in outside.parents
        assert (home / "postgres").resolve() == outside.parent
        assert mode(base) == 0o700
        assert mode(outside) == 0o700
        assert (outside.parent / "programs").exists()
    finally:
        embedded.remove(home)
    assert not outside.parent.exists()


@pytest.mark.skipif(not IS_ROOT, reason="only root hands over to another account")
def test_root_hands_over_to_an_account_without_further_groups(running_home: Path) -> None:
    embedded.ensure_running(running_home)
    status = Path(f"/proc/{embedded.status(running_home).pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    account = server_account(running_home / "postgres" / "data")
    assert account
    assert fields["Uid"].split() == [str(account.uid)] * 4
    assert fields["Groups"].split() in ([], [str(account.gid)])


def kill_server(home: Path) -> None:
    """Kills the server and waits until its last process has gone."""
    pid = embedded.status(home).pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    lock = os.open(home / "postgres" / "running.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.close(lock)


@contextlib.contextmanager
def unrelated_process(account: Account | None) -> Iterator[int]:
    """A process of the server's account that has nothing to do with it."""
    user, group = (account.uid, account.gid) if account else (None, None)
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, cwd="/", user=user, group=group)
    yield process.pid
    process.communicate()


def superuser_password(home: Path) -> str:
    lines = (home / "postgres" / "pgpass").read_text().splitlines()
    return next(line.split(":")[4] for line in lines if line.split(":")[3] == "postgres")

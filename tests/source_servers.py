"""Private servers as deployments have them: hot standbys, a pooler in between, TLS."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import PASSWORD, SETTINGS, PostgresServer
from psycopg import conninfo, sql

from orchestration.embedded import binaries
from orchestration.embedded.account import server_account
from orchestration.embedded.binaries import Programs
from orchestration.embedded.cluster import Cluster
from orchestration.embedded.failures import PortTaken
from orchestration.embedded.initdb import SUPERUSER, initialise
from orchestration.embedded.place import socket_directory

CONSOLE = "console"
WAITS = 3000  # of 20 ms: whatever takes longer than a minute hangs


@dataclass(frozen=True)
class Server:
    """A running server of the tests' own, whose user is a superuser."""

    cluster: Cluster
    programs: Programs
    port: int
    sockets: Path

    def url(
        self,
        dbname: str = "postgres",
        *,
        user: str = SUPERUSER,
        password: str = PASSWORD,
        host: str = "127.0.0.1",
        **fields: str,
    ) -> str:
        return conninfo.make_conninfo(
            host=host, port=self.port, dbname=dbname, user=user, password=password, **fields
        )

    def rows(self, query: str, *parameters: Any, dbname: str = "postgres") -> list[Any]:
        with psycopg.connect(self.url(dbname), autocommit=True) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    def run(self, *statements: str, dbname: str = "postgres") -> None:
        """Runs statements, each in a transaction of its own."""
        with psycopg.connect(self.url(dbname), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def wait_until(self, condition: str, *parameters: Any) -> None:
        """Returns when an SQL condition holds.

        A condition that calls functions is evaluated anew each time.
        """
        with psycopg.connect(self.url(), autocommit=True) as connection:
            for _ in range(WAITS):
                row = connection.execute(
                    f"select {condition} from pg_sleep(0.02)".encode(), parameters or None
                ).fetchone()
                if row and row[0]:
                    return
        raise AssertionError(f"never came to be: {condition}")

    def set(self, **settings: str) -> None:
        """Changes settings that a reload changes, and waits until new sessions have them."""
        for name, value in settings.items():
            self.run(f"alter system set {name} = '{value}'")
        self.run("select pg_reload_conf()")
        for name, value in settings.items():
            self.wait_until_of_new_sessions(
                "select setting = %s or current_setting(name) = %s from pg_settings "
                "where name = %s",
                value,
                value,
                name,
            )

    def wait_until_of_new_sessions(self, query: str, *parameters: Any) -> None:
        """Returns when a query gives true in a session of its own."""
        for _ in range(WAITS):
            if self.rows(query, *parameters) == [(True,)]:
                return
        raise AssertionError(f"never came to be: {query}")

    def has_replayed(self, primary: Server) -> None:
        """Waits until all that was done on the primary is visible on this standby."""
        # VACUUM flushes nothing; a commit that wrote something flushes all before it.
        primary.run("select pg_logical_emit_message(true, 'tests', '')")
        ((position,),) = primary.rows("select pg_current_wal_flush_lsn()")
        self.wait_until("pg_last_wal_replay_lsn() >= %s::pg_lsn", position)

    def disconnect(self) -> None:
        """Lets this standby receive nothing more from its primary."""
        self.set(primary_conninfo="")
        self.wait_until("not exists (select from pg_stat_wal_receiver)")

    def secure(self, folder: Path, *rules: str) -> None:
        """Turns TLS on, with certificates of `make_certificates` and rules before pg_hba's own."""
        for name in ("server.crt", "server.key", "root.crt"):
            copy = self.cluster.data / name
            shutil.copyfile(folder / name, copy)
            copy.chmod(0o600)
            if self.programs.account:
                os.chown(copy, self.programs.account.uid, self.programs.account.gid)
        rules_file = self.cluster.data / "pg_hba.conf"
        rules_file.write_text("\n".join([*rules, rules_file.read_text()]))
        self.set(ssl="on", ssl_ca_file="root.crt")

    def promote(self) -> None:
        self.run("select pg_promote(true, 60)")
        self.wait_until("not pg_is_in_recovery()")

    def crash(self) -> None:
        """Ends all of its processes at once, with nothing written down."""
        self.cluster.stop(signal.SIGQUIT)

    def start(self) -> None:
        """Starts it again, where it was."""
        self.cluster.start(self.programs, self.port, self.sockets)

    def kill_a_session(self) -> None:
        """Kills one of its processes, so that it ends all others, and waits until it is back."""
        with psycopg.connect(self.url(), autocommit=True) as witness:
            with closing(psycopg.connect(self.url())) as victim:
                os.kill(victim.info.backend_pid, signal.SIGKILL)
            with suppress(psycopg.OperationalError):
                for _ in range(WAITS):
                    witness.execute("select pg_sleep(0.02)")
                raise AssertionError("the server did not notice")
        for _ in range(WAITS):
            with suppress(psycopg.OperationalError):
                self.wait_until("not pg_is_in_recovery()")
                return
        raise AssertionError("the server never came back")


class Servers:
    """Makes servers that all end with the context in which they were made.

    Args:
        stack: That context.
        new_folder: Makes a folder that every account can reach.
    """

    def __init__(self, stack: ExitStack, new_folder: Callable[[], Path]) -> None:
        self._stack = stack
        self._new_folder = new_folder

    def primary(self, kind: PostgresServer, **settings: str) -> Server:
        """A new server with the programs of this one."""
        directory = self._directory(is_servers_own=False)
        programs = binaries.usable_by(server_account(), kind.folder, directory)
        cluster = Cluster(directory)
        initialise(cluster, programs, PASSWORD, SETTINGS | settings)
        return self._started(cluster, programs)

    def standby(self, primary: Server, **settings: str) -> Server:
        """A hot standby that streams from the primary."""
        cluster = Cluster(self._directory())
        made = primary.programs.run(
            "pg_basebackup",
            *("--pgdata", str(cluster.data), "--dbname", primary.url()),
            *("--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--wal-method=stream"),
            capture_output=True,
        )
        assert made.returncode == 0, made.stderr
        with (cluster.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        standby = self._started(cluster, primary.programs)
        standby.wait_until("exists (select from pg_stat_wal_receiver where status = 'streaming')")
        return standby

    def _directory(self, *, is_servers_own: bool = True) -> Path:
        directory = self._new_folder()
        self._stack.callback(shutil.rmtree, directory, ignore_errors=True)
        if is_servers_own and (account := server_account()):
            os.chown(directory, account.uid, account.gid)
        return directory

    def _started(self, cluster: Cluster, programs: Programs) -> Server:
        self._stack.callback(cluster.stop, signal.SIGQUIT)
        while True:
            port = free_port()
            sockets = socket_directory(cluster.directory, programs.account, port)
            try:
                cluster.start(programs, port, sockets)
                return Server(cluster, programs, port, sockets)
            except PortTaken:
                continue

    def pooler(self, server: Server, logins: Mapping[str, str], **settings: Any) -> Pooler:
        """A pgbouncer in transaction mode before a server.

        Args:
            server: The server.
            logins: Passwords by role, for clients and for the server.
            settings: More of its settings, such as default_pool_size.
        """
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            pytest.skip("pgbouncer is not installed here")
        account = server_account()
        directory = self._directory()
        users = directory / "users.txt"
        users.write_text(
            "".join(f'"{name}" "{word}"\n' for name, word in {CONSOLE: CONSOLE, **logins}.items())
        )
        while True:
            port = free_port()
            lines = {
                "listen_addr": "127.0.0.1",
                "listen_port": port,
                "unix_socket_dir": "",
                "auth_type": "scram-sha-256",
                "auth_file": users,
                "admin_users": CONSOLE,
                "pool_mode": "transaction",
                **settings,
            }
            (directory / "pgbouncer.ini").write_text(
                f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n"
                + "".join(f"{name} = {value}\n" for name, value in lines.items())
            )
            process = subprocess.Popen(
                [program, "--quiet", str(directory / "pgbouncer.ini")],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                **({"user": account.uid, "group": account.gid} if account else {}),
            )
            self._stack.callback(_end, process)
            pooler = Pooler(port)
            if pooler.is_ready(process):
                return pooler
            assert process.stderr is not None
            said = process.stderr.read()
            assert "in use" in said, said


@dataclass(frozen=True)
class Pooler:
    """A running pgbouncer."""

    port: int

    def url(self, dbname: str, user: str, password: str) -> str:
        return conninfo.make_conninfo(
            host="127.0.0.1", port=self.port, dbname=dbname, user=user, password=password
        )

    def is_ready(self, process: subprocess.Popen[str]) -> bool:
        """Waits until it answers; False where it has ended instead."""
        while process.poll() is None:
            try:
                self.show("version")
            except psycopg.OperationalError:
                continue
            return True
        return False

    def show(self, what: str) -> list[dict[str, Any]]:
        """What its console shows: pools, servers, clients …"""
        with psycopg.connect(
            self.url("pgbouncer", CONSOLE, CONSOLE), autocommit=True
        ) as connection:
            cursor = connection.execute(sql.SQL("show {}").format(sql.SQL(what)).as_string())
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def private_servers(new_folder: Callable[[], Path]) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack, new_folder)


def make_certificates(folder: Path, client: str) -> None:
    """Makes two authorities, root and other, and root's certificates for server and client."""
    key = ("-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    for name in ("root", "other"):
        _openssl(
            folder,
            *("req", "-new", "-x509", *key, "-subj", f"/CN={name}", "-days", "2"),
            *("-keyout", f"{name}.key", "-out", f"{name}.crt"),
        )
    names = {"server": "DNS:localhost,IP:127.0.0.1", client: f"DNS:{client}"}
    for name, alternatives in names.items():
        _openssl(
            folder,
            *("req", "-new", *key, "-subj", f"/CN={name}"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        (folder / "names").write_text(f"subjectAltName={alternatives}\n")
        _openssl(
            folder,
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "root.crt", "-CAkey", "root.key"),
            *("-CAcreateserial", "-days", "2", "-extfile", "names", "-out", f"{name}.crt"),
        )


def _openssl(folder: Path, *arguments: str) -> None:
    made = subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr

"""One PostgreSQL data folder and the server on it: made, started, watched and stopped.

A server holds an inherited lock on `<folder>/running.lock` for as long as one of its processes
lives, so that whether it runs is never guessed from a process id: those are reused, may be zombies,
and mean nothing from one container to the next.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from orchestration.embedded import failures
from orchestration.embedded.account import run_as
from orchestration.embedded.binaries import Programs
from orchestration.embedded.files import open_private, try_lock, wait_for_lock, write_private
from orchestration.errors import LoyaltyError

HOST = "127.0.0.1"
NO_PROCESS = 2**31 - 1
"""A process id that no system gives out."""
LEFTOVER_SECONDS = 10.0
"""How long sessions may take to notice that their server was killed."""
START_SECONDS = 600
"""How long a start may take: replaying the log after a crash takes minutes at worst."""
STOP_SECONDS = 120
"""How long a fast stop may take: it writes a checkpoint."""
LOG_BYTES = 10_000_000
"""The size from which a start sets the server's log aside."""


@dataclass(frozen=True)
class Postmaster:
    """What a server says of itself in its postmaster.pid.

    Attributes:
        state: "starting", "ready" or "stopping"; a killed server's stays as it was.
    """

    pid: int
    port: int
    socket_directory: str
    state: str


@dataclass(frozen=True)
class Cluster:
    """A folder that holds a data directory, its server's log and its lock."""

    directory: Path

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.directory / "server.log"

    @property
    def major(self) -> int | None:
        """The major version that made the data; None where there are none, or no whole ones."""
        try:
            return int((self.data / "PG_VERSION").read_text().strip())
        except (OSError, ValueError):
            return None

    def is_alive(self) -> bool:
        """Whether any process of the server lives, ready or not."""
        try:
            lock = os.open(self.directory / "running.lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not try_lock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    def postmaster(self) -> Postmaster | None:
        """What postmaster.pid says, running or left behind; None where there is none, or half."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return Postmaster(int(lines[0]), int(lines[3]), lines[4], lines[7].strip())
        except (FileNotFoundError, ValueError, IndexError):
            return None

    def running(self) -> Postmaster | None:
        """The server, if it is ready and answers: a few file reads and one connect."""
        postmaster = self.postmaster()
        if not (postmaster and postmaster.state == "ready" and self.is_alive()):
            return None
        try:
            # Where only sessions outlived a killed server, its lock is held, but nobody listens.
            socket.create_connection((HOST, postmaster.port), timeout=5).close()
        except OSError:
            return None
        return postmaster

    def start(self, programs: Programs, port: int, sockets: Path) -> Postmaster:
        """Starts the server, free of this process and its terminal, and waits until it is ready.

        Args:
            programs: The `postgres` of the data's version.
            port: Where it listens on 127.0.0.1.
            sockets: The folder of its socket, which no other server uses.

        Raises:
            PortTaken: Someone else listens at the port.
            LoyaltyError: It did not start; the message says why.
        """
        lock = open_private(self.directory / "running.lock")
        try:
            if not wait_for_lock(lock, LEFTOVER_SECONDS):
                raise self._left_over()
            self._disown_postmaster_file()
            for leftover in sockets.glob(".s.PGSQL.*"):
                leftover.unlink()
            began = self._launch(programs, lock, port, sockets)
        finally:
            os.close(lock)
        return self.wait_until_ready(began)

    def wait_until_ready(self, began: int) -> Postmaster:
        """Waits for a server that is starting.

        Args:
            began: Where in the log its start begins.

        Raises:
            LoyaltyError: It gave up, or takes too long.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if postmaster := self.running():
                return postmaster
            if not self.is_alive():
                raise failures.explain(
                    f"The embedded PostgreSQL on {self.data} did not start",
                    self.log_since(began),
                    self.log,
                )
            time.sleep(0.02)
        raise LoyaltyError(
            f"The embedded PostgreSQL on {self.data} is not ready after {START_SECONDS} seconds.",
            remedy=f"It may still be recovering: see {self.log}, and try again.",
        )

    def _disown_postmaster_file(self) -> None:
        """Lets a start pass a postmaster.pid that a killed server left behind.

        Its process id may by now be anybody's, and the server would refuse to start. The file is
        not removed: by it the new server checks that nobody uses the old one's shared memory.
        """
        file = self.data / "postmaster.pid"
        try:
            lines = file.read_text().splitlines()
        except FileNotFoundError:
            return
        write_private(file, "\n".join([str(NO_PROCESS), *lines[1:7], "stopping"]) + "\n")

    def _launch(self, programs: Programs, lock: int, port: int, sockets: Path) -> int:
        if self.log_size() > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.old"))
        # The folder in quotes, as the setting is a list.
        folder = '"' + str(sockets).replace('"', '""') + '"'
        with os.fdopen(open_private(self.log, os.O_APPEND), "ab") as log:
            began = log.seek(0, os.SEEK_END)
            # The shell ends at once, so that the server is nobody's child: it survives this
            # process, and Ctrl-C in the terminal does not reach its session.
            run_as(
                programs.account,
                [
                    *("/bin/sh", "-c", '"$@" &', "sh", str(programs.folder / "postgres")),
                    *("-D", str(self.data), f"--port={port}", f"--listen_addresses={HOST}"),
                    f"--unix_socket_directories={folder}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock,),
            )
        return began

    def log_size(self) -> int:
        """How long the server's log is, in bytes."""
        return self.log.stat().st_size if self.log.exists() else 0

    def log_since(self, position: int) -> str:
        """What the server has logged from a byte position on."""
        try:
            with self.log.open("rb") as log:
                log.seek(position)
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def stop(self, how: signal.Signals = signal.SIGINT) -> bool:
        """Stops the server and waits until its last process has ended.

        Args:
            how: SIGINT ends sessions and writes everything down, SIGQUIT leaves that to recovery.

        Returns:
            Whether it was running.

        Raises:
            LoyaltyError: It does not end, or runs where it cannot be told to.
        """
        if not self.is_alive():
            return False
        postmaster = self.postmaster()
        reached = postmaster is not None and self._signal(postmaster.pid, how)
        deadline = time.monotonic() + (STOP_SECONDS if reached else LEFTOVER_SECONDS)
        while self.is_alive():
            if time.monotonic() > deadline:
                raise self._not_stopping() if reached else self._left_over()
            time.sleep(0.02)
        return True

    def _signal(self, pid: int, how: signal.Signals) -> bool:
        """Sends the server a signal; False where that process is gone, or is another one."""
        try:
            # Its working directory is its data: so it is no namesake of another container or of a
            # later time. Where the system does not tell, as on macOS, the lock has to do.
            if not Path(os.readlink(f"/proc/{pid}/cwd")).samefile(self.data):
                return False
        except FileNotFoundError:
            if Path("/proc/self/cwd").exists():
                return False
        try:
            os.kill(pid, how)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _not_stopping(self) -> LoyaltyError:
        return LoyaltyError(
            f"The embedded PostgreSQL on {self.data} has not stopped after {STOP_SECONDS} seconds.",
            remedy=f"See {self.log} for what it is doing, and try again.",
        )

    def _left_over(self) -> LoyaltyError:
        return LoyaltyError(
            f"Processes of an earlier server on {self.data} are still running: sessions that "
            "outlived a server that was killed, or a server in another container.",
            remedy="Wait until they end, or end the `postgres` processes of that folder; then try "
            "again.",
        )

"""The embedded server's parts that need no server: words for failures, places, private files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from orchestration.embedded import Server, binaries, failures, place, tuning
from orchestration.embedded.cluster import Cluster
from orchestration.embedded.files import locked, private_directory, write_private
from orchestration.errors import LoyaltyError


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ('FATAL:  could not write to file "base/4/1255_fsm": No space left on device', "ran full"),
        (
            "FATAL:  could not create shared memory segment: No space left on device",
            "too little shared memory",
        ),
        ("FATAL:  could not create semaphores: No space left on device", "shared memory"),
        ("FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use", "was killed"),
        ('FATAL:  lock file "postmaster.pid" already exists', "lock file postmaster.pid"),
        ('Unix-domain socket path "/x" is too long (maximum 107 bytes)', "too long"),
        ("initdb: could not look up effective user ID 4242: user does not exist", "no entry"),
        ("PANIC:  could not locate a valid checkpoint record at 0/1", "damaged"),
        ("postgres: error while loading shared libraries: libz.so.1", "do not fit this system"),
        ('FATAL:  could not create lock file "x": Read-only file system', "read-only"),
        ('FATAL:  could not access file "x": Permission denied', "denies it a file"),
        ("FATAL:  something new", "see what it said below"),
    ],
)
def test_failures_are_told_in_plain_words_with_the_last_lines(output: str, words: str) -> None:
    lines = [f"line {number}" for number in range(20)]
    error = failures.explain("It did not start", "\n".join([*lines, output]))
    assert error.problem.startswith("It did not start: ")
    assert words in error.problem
    assert output in error.remedy
    assert "line 5\n" not in error.remedy


def test_taken_port_is_an_error_of_its_own() -> None:
    output = 'could not bind IPv4 address "127.0.0.1": Address already in use'
    assert isinstance(failures.explain("x", output), failures.PortTaken)


def test_server_shows_its_password_in_the_url_only() -> None:
    server = Server(15432, "secret")
    assert server.url("warehouse") == "postgresql://loyalty:secret@127.0.0.1:15432/warehouse"
    assert "secret" not in repr(server)


def test_socket_folder_is_short_whatever_the_home(tmp_path: Path) -> None:
    for length in (1, 40, 120, 200):
        home = tmp_path / ("h" * length)
        home.mkdir()
        sockets = place.socket_directory(home, None, 25431)
        assert len(os.fsencode(sockets / ".s.PGSQL.25431")) <= 103
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        sockets.rmdir()


def test_private_file_replaces_a_link_instead_of_following_it(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("untouched")
    (tmp_path / "file").symlink_to(tmp_path / "target")
    write_private(tmp_path / "file", "secret")
    assert (tmp_path / "target").read_text() == "untouched"
    assert stat.S_IMODE((tmp_path / "file").lstat().st_mode) == 0o600


def test_private_folder_is_not_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "target")
    with pytest.raises(LoyaltyError, match="in the way"):
        private_directory(tmp_path / "folder")


def test_lock_that_somebody_holds_is_given_up_on(tmp_path: Path) -> None:
    error = LoyaltyError("somebody else is at it")
    with (
        locked(tmp_path / "lock", seconds=0, otherwise=error),
        pytest.raises(LoyaltyError, match="somebody else"),
        locked(tmp_path / "lock", seconds=0, otherwise=error),
    ):
        pass
    with locked(tmp_path / "lock", seconds=0, otherwise=error):
        pass


@pytest.mark.parametrize("text", ["", "123\n", "not a number\n" * 8])
def test_half_a_postmaster_file_is_no_server(text: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "postmaster.pid").write_text(text)
    cluster = Cluster(tmp_path)
    assert cluster.postmaster() is None
    assert cluster.running() is None
    assert not cluster.stop()


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package_anywhere")
    with pytest.raises(LoyaltyError, match="PostgreSQL 18 are not installed"):
        binaries.bundled()


def test_settings_keep_commits_durable() -> None:
    settings = tuning.settings()
    assert not {"fsync", "synchronous_commit", "full_page_writes"} & settings.keys()

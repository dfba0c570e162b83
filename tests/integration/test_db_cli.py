"""`loyalty db` as a user runs it: a subprocess with an environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from orchestration import embedded
from orchestration.settings import PROJECT_DIR

Loyalty = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def home(reachable_folder: Callable[[], Path]) -> Iterator[Path]:
    """A LOYALTY_HOME; its server is stopped and removed at the end."""
    folder = reachable_folder() / "home"
    yield folder
    embedded.remove(folder)


@pytest.fixture
def loyalty(home: Path, tmp_path: Path) -> Loyalty:
    """Runs `loyalty db …` in a folder without a .env file; keywords become LOYALTY_ variables."""

    def run(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        inherited = {key: v for key, v in os.environ.items() if not key.startswith("LOYALTY_")}
        configured = {f"LOYALTY_{name.upper()}": value for name, value in variables.items()}
        return subprocess.run(
            [sys.executable, "-c", "from orchestration.cli import main; main()", "db", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                **inherited,
                "LOYALTY_HOME": str(home),
                "PYTHONPATH": str(PROJECT_DIR),
                **configured,
            },
            check=False,
        )

    return run


def test_start_status_and_stop(loyalty: Loyalty) -> None:
    assert json.loads(loyalty("status", "--json").stdout)["running"] is False

    started = json.loads(loyalty("start", "--json").stdout)
    assert started["running"]
    assert started["version"].startswith("18.")
    assert started["size_bytes"] > 0
    assert Path(started["data_directory"]).is_dir()
    assert Path(started["log"]).is_file()

    shown = loyalty("status").stdout
    assert f"127.0.0.1:{started['port']}" in shown
    assert f"process {started['pid']}" in shown

    assert json.loads(loyalty("stop", "--json").stdout) == {"stopped": True, "removed": False}
    again = loyalty("stop")
    assert again.returncode == 0
    assert "was not running" in again.stdout


def test_url_logs_in(loyalty: Loyalty) -> None:
    with psycopg.connect(loyalty("url", "operational").stdout.strip()) as connection:
        assert connection.info.dbname == "operational"


@pytest.mark.parametrize(
    ("arguments", "database"),
    [(("--",), "warehouse"), (("operational", "--"), "operational")],
)
def test_psql_passes_its_arguments_on(
    loyalty: Loyalty, arguments: tuple[str, ...], database: str
) -> None:
    result = loyalty("psql", *arguments, "-At", "-c", "select current_database()")
    assert (result.stdout.strip(), result.returncode) == (database, 0)


def test_psql_refuses_another_database_name(loyalty: Loyalty) -> None:
    result = loyalty("psql", "wharehouse")
    assert result.returncode == 2
    assert "wharehouse" in result.stderr


def test_configured_databases_are_used_and_nothing_is_started(
    loyalty: Loyalty, new_database: Callable[[], str], tmp_path: Path
) -> None:
    configured = new_database()
    variables = {
        "warehouse_url": configured.replace("postgresql://", "postgresql+psycopg://"),
        "operational_url": "postgresql://reader:secret@db.example.org:6432/shop?sslmode=require",
        "home": str(tmp_path / "home"),
    }
    assert loyalty("url", **variables).stdout.strip() == configured
    assert loyalty("url", "operational", **variables).stdout.strip() == variables["operational_url"]
    psql = loyalty("psql", "--", "-At", "-c", "select current_database()", **variables)
    assert configured.endswith(f"/{psql.stdout.strip()}")
    assert not (tmp_path / "home").exists()


def test_psql_shows_the_password_in_no_argument(loyalty: Loyalty) -> None:
    password = loyalty("url").stdout.split("@")[0].rsplit(":", 1)[1]
    shown = loyalty("psql", "--", "-At", "-c", r"\! tr '\0' ' ' < /proc/$PPID/cmdline").stdout
    assert "dbname=" in shown
    assert password not in shown


def test_data_are_removed_only_when_confirmed(loyalty: Loyalty) -> None:
    data = Path(json.loads(loyalty("start", "--json").stdout)["data_directory"])
    refused = loyalty("stop", "--remove-data", stdin="n\n")
    assert refused.returncode == 1
    assert data.is_dir()
    assert json.loads(loyalty("status", "--json").stdout)["running"]
    assert loyalty("stop", "--remove-data", "--yes").returncode == 0
    assert not data.exists()
    assert loyalty("stop", "--remove-data", "--yes").returncode == 0

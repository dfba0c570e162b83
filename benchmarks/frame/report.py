"""A scenario's results: Markdown to read, and JSON with every value. Names no machine, no path."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.frame.rounds import Series
from benchmarks.frame.servers import SHOWN_SETTINGS, Server, Servers, machine_megabytes

ROOT = Path(__file__).resolve().parents[2]
CODE = ("orchestration", "benchmarks")
EDITED = " (**edited while it was measured**)"


@dataclass(frozen=True)
class Target:
    """What a figure should come to.

    Attributes:
        what: The figure, in words.
        found: What it came to; None where it was not measured.
        wanted: The bound.
        is_least: Whether the figure must be at least that; otherwise at most.
        aim: What is hoped for beyond the bound.
    """

    what: str
    found: float | None
    wanted: float
    is_least: bool
    aim: float | None = None
    unit: str = ""

    @property
    def verdict(self) -> str:
        """Met, missed (and by how much), or not measured."""
        if self.found is None:
            return "not measured"
        if self._holds(self.aim):
            return "met, and the aim"
        if self._holds(self.wanted):
            return "met"
        return f"**missed**: {self.found / self.wanted:.2f} of the bound"

    def _holds(self, bound: float | None) -> bool:
        if bound is None or self.found is None:
            return False
        return self.found >= bound if self.is_least else self.found <= bound

    def row(self) -> list[str]:
        """Its line in the table of targets."""
        sign = "≥" if self.is_least else "≤"
        wanted = f"{sign} {self.wanted:g}{self.unit}"
        if self.aim is not None:
            wanted += f" (aim {self.aim:g})"
        found = "-" if self.found is None else f"{self.found:.2f}{self.unit}"
        return [self.what, wanted, found, self.verdict]


@dataclass
class Report:
    """Collects a scenario's results and writes them."""

    title: str
    parts: list[str] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    began_with: str = field(default_factory=lambda: _fingerprint())

    def heading(self, text: str) -> None:
        """Begins a section."""
        self.parts.append(f"## {text}")

    def text(self, words: str) -> None:
        """Adds a paragraph."""
        self.parts.append(textwrap.fill(" ".join(words.split()), 120, break_on_hyphens=False))

    def points(self, points: Sequence[str]) -> None:
        """Adds a list."""
        filled = [
            textwrap.fill(f"- {' '.join(p.split())}", 120, subsequent_indent="  ") for p in points
        ]
        self.parts.append("\n".join(filled))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Adds a table; all columns but the first are numbers."""
        lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
        self.parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))

    def record(self, name: str, figures: Mapping[str, Series]) -> None:
        """Puts every value of every round into the JSON."""
        self.data[name] = {figure: list(series.values) for figure, series in figures.items()}

    def write(self, folder: Path, name: str) -> Path:
        """Writes `<name>.md` and `<name>.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        targets = Report("")
        targets.table(
            ["target", "wanted", "measured", "verdict"], [target.row() for target in self.targets]
        )
        body = [f"# {self.title}", *self.parts[:1], "## Targets", *targets.parts, *self.parts[1:]]
        page = folder / f"{name}.md"
        page.write_text("\n\n".join(body) + "\n", encoding="utf-8")
        document = {
            **self.data,
            "targets": [
                {
                    "what": target.what,
                    "wanted": target.wanted,
                    "aim": target.aim,
                    "measured": target.found,
                    "verdict": target.verdict.replace("*", ""),
                }
                for target in self.targets
            ],
        }
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        return page

    def conditions(self, servers: Servers, sizes: Mapping[str, int]) -> None:
        """Adds the section on the machine, the servers, their settings, and the rows."""
        machine = {
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
            "memory_gib": round(machine_megabytes() / 1024, 1),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "code": _code() + ("" if _fingerprint() == self.began_with else EDITED),
            "measured_on": datetime.now(UTC).date().isoformat(),
        }
        settings = servers.warehouse.settings()
        is_one = servers.source == servers.warehouse
        self.data |= {
            "machine": machine,
            "servers": 1 if is_one else 2,
            "settings": settings,
            "rows": dict(sizes),
        }
        self.heading("Conditions")
        self.points(
            [
                f"{machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
                f"Python {machine['python']}; measured on {machine['measured_on']}, "
                f"code {machine['code']}.",
                f"PostgreSQL {settings['server_version']}; source and warehouse "
                + ("are two databases of one server." if is_one else "on a server each.")
                + " Clients reach them over TCP on the same machine, without TLS.",
                "Settings: "
                + ", ".join(f"{name} {settings[name]}" for name in SHOWN_SETTINGS)
                + ".",
                "Rows: " + ", ".join(f"{table} {rows:,}" for table, rows in sizes.items()) + ".",
            ]
        )


def table_size(server: Server, dbname: str, table: str) -> tuple[int, int]:
    """A table's bytes, and its indexes'."""
    with server.connect(dbname) as connection:
        row = connection.execute(
            "select pg_table_size(%s::regclass), pg_indexes_size(%s::regclass)", [table, table]
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def _fingerprint() -> str:
    found = hashlib.sha256()
    for path in sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _code() -> str:
    """The commit that was measured."""
    git = ["git", "--no-optional-locks", "-C", str(ROOT)]
    try:
        commit = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", *CODE],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit} with uncommitted changes" if changed else commit

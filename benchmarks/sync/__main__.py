"""`python -m benchmarks.sync`: full copies, small changes and memory; writes results/sync.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.frame import options as frame
from benchmarks.frame.report import Report, Target, table_size
from benchmarks.frame.rounds import Series, alternate
from benchmarks.frame.sample import fill
from benchmarks.frame.servers import Servers, private_servers
from benchmarks.sync import changes, dlt_peer, full_copy
from benchmarks.sync.changes import Changes
from benchmarks.sync.dlt_peer import DltPeer, PeerError, Way
from benchmarks.sync.full_copy import TABLE, FullCopy

PEERS = Path(__file__).resolve().parents[2] / ".loyalty" / "peers" / "bin" / "python"
PARTS = ("full", "changes")
MEMORY_MB = 300

_MEMORY_OF = {
    "ours peak MB": f"first load of {TABLE}",
    "ours all peak MB": "first load of all tables",
    "first load: peak MB": "first load that the changes follow",
}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = frame.parser("sync", "Measures the sync against psql's binary COPY pipe and dlt.")
    parser.add_argument(
        "--peers", type=Path, default=PEERS, metavar="PYTHON", help="an environment with dlt"
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part")
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace, say: Callable[[str], None]) -> Path:
    """Runs the scenario.

    Returns:
        The report's path.

    Raises:
        GateError: A result is wrong.
        LoyaltyError: The servers or the sample cannot be had.
    """
    report = Report("Sync: measured against a psql binary COPY pipe and dlt")
    size = frame.size_of(options)
    say(f"Starting PostgreSQL {options.postgres}")
    with private_servers(options.postgres, options.servers, options.keep) as servers:
        rows = fill(servers.source, size, say)
        _introduce(report, options, servers, size.database, rows)
        peaks: dict[str, Series] = {}
        for part in options.only or PARTS:
            run = _full if part == "full" else _changes
            figures = run(report, options, servers, size.database, rows, say)
            report.record(part, figures)
            peaks |= {name: value for name, value in figures.items() if name.endswith("peak MB")}
        _memory(report, peaks)
        report.conditions(servers, rows)
    return report.write(options.results, "sync")


def _introduce(
    report: Report,
    options: argparse.Namespace,
    servers: Servers,
    source: str,
    rows: Mapping[str, int],
) -> None:
    table, indexes = table_size(servers.source, source, TABLE)
    report.text(
        f"{TABLE} has {rows[TABLE]:,} rows, {table / 2**20:,.0f} MiB, and {indexes / 2**20:,.0f} "
        f"MiB of indexes in the source. Medians of {options.repetitions} rounds in which the "
        "contenders alternate, with the least and the most in parentheses; a ratio is of two "
        "measurements of the same round. Every result that is timed here was compared with the "
        "source, all rows of it by count and content hash; had one differed, there would be no "
        "report. All caches are warm."
    )


def _full(
    report: Report,
    options: argparse.Namespace,
    servers: Servers,
    source: str,
    rows: Mapping[str, int],
    say: Callable[[str], None],
) -> Mapping[str, Series]:
    copies = FullCopy(servers, source, rows)
    contenders = copies.contenders()
    problems: list[str] = []
    dlt = DltPeer(options.peers, servers, source, rows[TABLE])
    versions = dlt.versions()
    small = dlt.small(say) if versions else {}
    for way in dlt_peer.fastest(small):
        contenders[way.name] = partial(_by_dlt, dlt, way, source, rows[TABLE], problems, say)
    if not small:
        problems.append("it is not installed (benchmarks/README.md says how), or cannot do it")
        say("dlt is skipped: install benchmarks/requirements.txt and name its Python by --peers.")
    copies.warm_up()
    figures = alternate(contenders, options.repetitions, say)
    full_copy.write(report, figures, rows)
    if versions and not problems:
        dlt_peer.write(report, versions, small, figures, rows[TABLE])
        report.data["dlt"] = {
            "versions": versions,
            "small": {way.name: sizes for way, sizes in small.items()},
        }
    else:
        report.text(f"dlt was not measured: {problems[0]}.")
        report.targets.append(Target("times as fast as dlt's fastest way", None, 10, is_least=True))
    return figures


def _by_dlt(
    dlt: DltPeer,
    way: Way,
    source: str,
    rows: int,
    problems: list[str],
    say: Callable[[str], None],
) -> Mapping[str, float]:
    try:
        parts = dlt.copy(way, source, rows)
    except PeerError as error:
        say(str(error))
        problems.append(f"{way.name} failed at the full size")
        return {}
    return {f"{way.name}: {part}": seconds for part, seconds in parts.items()}


def _changes(
    report: Report,
    options: argparse.Namespace,
    servers: Servers,
    source: str,
    rows: Mapping[str, int],
    say: Callable[[str], None],
) -> Mapping[str, Series]:
    with (
        servers.source.new_database("changing", template=source),
        servers.warehouse.new_database("mirror"),
    ):
        follower = Changes(servers, "changing", "mirror")
        say("First load of all tables, which the changes follow")
        first = follower.begin()
        figures = follower.measure(options.repetitions, say)
        changes.write(report, figures, follower.reasons)
    return {"first load: peak MB": Series((first.peak_megabytes,)), **figures}


def _memory(report: Report, peaks: Mapping[str, Series]) -> None:
    report.heading("Memory")
    report.text(
        "The most that a process which does nothing but that one sync ever held (resident, "
        "Python and its imports included), in MiB."
    )
    report.table(
        ["sync", "peak MiB"],
        [[_MEMORY_OF.get(name, name.partition(":")[0]), s.show(0)] for name, s in peaks.items()],
    )
    highest = max((series.high for series in peaks.values()), default=None)
    report.targets.append(
        Target(
            "most memory of the Python process, in any sync",
            highest,
            MEMORY_MB,
            is_least=False,
            unit=" MiB",
        )
    )


def main(arguments: list[str] | None = None) -> int:
    """The command; see --help."""
    options = _options(arguments)
    return frame.run(lambda: measure(options, frame.teller()))


if __name__ == "__main__":
    sys.exit(main())

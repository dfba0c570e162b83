"""The application's own work meanwhile: its typical statements, by pgbench, at a steady rate."""

from __future__ import annotations

import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.frame.gates import GateError, require
from benchmarks.frame.servers import Server

CLIENTS = 8

# Ids are drawn by a Zipfian law: a few customers are much busier than the others.
_CUSTOMER = "\\set customer random_zipfian(1, :customers, 1.07)\n"
STATEMENTS = {
    "read a profile": (
        40,
        _CUSTOMER + "select * from customer_loyalty_profiles as profiles"
        " left join tier_definitions as tiers on profiles.current_tier_id = tiers.id"
        " where profiles.id = :customer;\n",
    ),
    "earn points": (
        25,
        _CUSTOMER + "\\set points random(1, 500)\n"
        "begin;\n"
        "update customer_loyalty_profiles set points_balance = points_balance + :points,"
        " lifetime_points_earned = lifetime_points_earned + :points,"
        " last_points_earned_at = now(), updated_at = now() where id = :customer;\n"
        "insert into point_transactions (customer_id, transaction_type, points_amount,"
        " points_balance_after, source, description, created_at) values"
        " (:customer, 'earned', :points, (select points_balance from customer_loyalty_profiles"
        " where id = :customer), 'purchase', 'benchmark', now());\n"
        "commit;\n",
    ),
    "read a customer's segments": (
        15,
        _CUSTOMER + "select segments.id, segments.name, memberships.added_at"
        " from customer_segment_memberships as memberships"
        " inner join customer_segments as segments on memberships.segment_id = segments.id"
        " where memberships.customer_id = :customer and memberships.is_active;\n",
    ),
    "read a segment's members": (
        10,
        "\\set segment random(1, :segments)\n"
        "select memberships.customer_id, profiles.points_balance"
        " from customer_segment_memberships as memberships"
        " inner join customer_loyalty_profiles as profiles"
        " on memberships.customer_id = profiles.id"
        " where memberships.segment_id = :segment and memberships.is_active limit 50;\n",
    ),
    "read the latest transactions": (
        10,
        _CUSTOMER + "select * from point_transactions where customer_id = :customer"
        " order by created_at desc limit 20;\n",
    ),
}
"""The statements, each a transaction, and how often in a hundred."""


@dataclass
class Latencies:
    """What the transactions took, in milliseconds, from when each was due."""

    by_statement: dict[str, list[float]] = field(default_factory=dict)

    @property
    def all(self) -> list[float]:
        """Of all statements together."""
        return [value for values in self.by_statement.values() for value in values]

    def percentile(self, percent: int, statement: str | None = None) -> float:
        """The latency that so many in a hundred stay within.

        Raises:
            GateError: There were too few to tell.
        """
        values = self.all if statement is None else self.by_statement.get(statement, [])
        require(len(values) >= 20, f"Only {len(values)} transactions of the load were measured.")
        return statistics.quantiles(values, n=100)[percent - 1]


class Load:
    """pgbench on one database."""

    def __init__(self, server: Server, dbname: str, rate: int, sizes: dict[str, int]) -> None:
        self._server, self._dbname, self._rate, self._sizes = server, dbname, rate, sizes

    @contextmanager
    def running(self) -> Iterator[Latencies]:
        """The load goes on inside; afterwards the latencies are there.

        Raises:
            GateError: A transaction failed, or pgbench ended by itself.
        """
        found = Latencies()
        with tempfile.TemporaryDirectory() as folder, self._process(Path(folder)) as process:
            time.sleep(1.0)  # until it is at its rate
            began = time.time()
            yield found
            ended = time.time()
            time.sleep(1.0)  # what its log still buffers is of later than that
            require(process.poll() is None, "pgbench ended by itself.")
            process.send_signal(signal.SIGTERM)
            errors = process.communicate()[1]
            if "ERROR" in errors:
                raise GateError(f"A transaction of the load failed: {errors.strip()}")
            _read(Path(folder), began, ended, found)

    @contextmanager
    def _process(self, folder: Path) -> Iterator[subprocess.Popen[str]]:
        arguments = [str(self._server.programs / "pgbench"), "--no-vacuum", "--log"]
        arguments += ["--client", str(CLIENTS), "--jobs", "1", "--rate", str(self._rate)]
        arguments += ["--time", "86400", "--protocol", "prepared", "--random-seed", "1"]
        for name, size in self._sizes.items():
            arguments += ["--define", f"{name}={size}"]
        for place, (weight, script) in enumerate(STATEMENTS.values()):
            path = folder / f"{place}.sql"
            path.write_text(script, encoding="utf-8")
            arguments += ["--file", f"{path}@{weight}"]
        process = subprocess.Popen(
            [*arguments, self._dbname],
            cwd=folder,
            env=self._server.environment(self._dbname),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()


def _read(folder: Path, began: float, ended: float, found: Latencies) -> None:
    """Reads pgbench's log: client, number, microseconds, script, and when it ended, in two parts.

    With a rate, the microseconds count from when the transaction was due.
    """
    names = list(STATEMENTS)
    for path in folder.glob("pgbench_log.*"):
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = line.split()
            if len(fields) < 7:
                continue  # the last line, cut where pgbench was stopped
            _, _, microseconds, script, seconds, fraction, _ = fields[:7]
            if began <= int(seconds) + int(fraction) / 1e6 <= ended:
                values = found.by_statement.setdefault(names[int(script)], [])
                values.append(int(microseconds) / 1000)

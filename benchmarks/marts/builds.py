"""Builds as `loyalty build` runs them, each after a sync, and what they took."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.frame.gates import Content, Relation, require
from benchmarks.frame.servers import Servers
from benchmarks.sync import one_sync
from benchmarks.sync.one_sync import OneSync
from orchestration import segments
from orchestration.build import dbt_build_arguments, run_dbt

WAREHOUSE = "warehouse"
"""Every warehouse's name: dbt parses all files anew where its connection is another."""

SHOWN_SCHEMAS = ("marts", "marketing")
"""What analysts read: views there must show the same rows, too."""

_CUSTOMERS = """
select
    is_full,
    case
        when is_full
            then (select count(*) from raw.customer_loyalty_profiles where _deleted_at is null)
        else (select count(*) from intermediate.int_touched_customers)
    end
from ops.dbt_runs
order by started_at desc
limit 1
"""


@dataclass(frozen=True)
class Build:
    """What a build took, in seconds.

    Attributes:
        seconds: The whole: compiling the segment rules, then dbt from its start to its end.
        models: Every model's time, by its name, as dbt tells it.
        tests: The sum of all tests' times.
        test_count: How many tests ran.
        is_full: Whether all rows were computed.
        customers: Of how many customers rows were computed.
        queries: The query of every model that keeps its rows, as this build ran it.
    """

    seconds: float
    models: Mapping[str, float]
    tests: float
    test_count: int
    is_full: bool
    customers: int
    queries: Mapping[str, str] = field(repr=False)

    @property
    def model_seconds(self) -> float:
        """The sum of all models' times."""
        return sum(self.models.values())

    def slowest(self, count: int) -> list[str]:
        """The models that took the longest, and their rows are kept."""
        return sorted(self.queries, key=lambda name: (-self.models[name], name))[:count]

    def figures(self) -> dict[str, float]:
        """What goes into the JSON."""
        return {
            "seconds": self.seconds,
            "models": self.model_seconds,
            "tests": self.tests,
            "customers": float(self.customers),
            **{f"model {name}": seconds for name, seconds in self.models.items()},
        }


class Builder:
    """A source and the warehouse that follows it."""

    def __init__(self, servers: Servers, source: str, folder: Path, select: str | None) -> None:
        self.servers, self.folder, self.select = servers, folder, select
        self.source = servers.source.database(source)
        self.warehouse = servers.warehouse.database(WAREHOUSE)

    def sync(self, as_of: datetime) -> OneSync:
        """Syncs, and sets the instant that the next build shows, as if the clock had stood there.

        An `--as-of` would do the same and have dbt parse all files anew each time.
        """
        found = one_sync.run(self.source, self.warehouse)
        with self.warehouse.connect() as connection:
            connection.execute(
                "update ops.sync_runs set snapshot_at = %s "
                "where sync_id = (select max(sync_id) from ops.sync_runs)",
                [as_of],
            )
        return found

    def parse(self) -> None:
        """Has dbt parse all files, unless it has: that is no part of a build's time."""
        if not (self.folder / "partial_parse.msgpack").exists():
            self._dbt(["compile", "--select", "stg_shops"])

    def queries(self, models: Sequence[str], *, full_refresh: bool = False) -> dict[str, str]:
        """The queries of models, compiled to compute all rows.

        In a warehouse that has been built they are so with `full_refresh` only.

        Raises:
            GateError: dbt could not compile them.
        """
        how = ["--full-refresh"] if full_refresh else []
        self._dbt(["compile", *how, "--select", " ".join(models)])
        return _queries(self._artifact("run_results"))

    def build(self, *, full_refresh: bool = False) -> Build:
        """What `loyalty build` does, on quiet servers.

        Raises:
            GateError: A model or a test failed.
        """
        self.servers.checkpoint()
        began = time.monotonic()
        segments.compile_rules(self.warehouse)
        self._dbt(dbt_build_arguments(full_refresh=full_refresh, select=self.select))
        seconds = time.monotonic() - began
        with self.warehouse.connect(autocommit=True) as connection:
            row = connection.execute(_CUSTOMERS).fetchone()
        assert row is not None
        results = self._artifact("run_results")
        times = {
            result["unique_id"]: float(result["execution_time"]) for result in results["results"]
        }
        tests = [taken for node, taken in times.items() if node.startswith("test.")]
        return Build(
            seconds=seconds,
            models={_name(node): taken for node, taken in times.items() if _is_model(node)},
            tests=sum(tests),
            test_count=len(tests),
            is_full=row[0],
            customers=row[1],
            queries={name: query for name, query in _queries(results).items() if self._keeps(name)},
        )

    def contents(self, say: Callable[[str], None]) -> dict[str, Content]:
        """The number of rows and a hash of them, of every relation whose rows are to stay."""
        relations = [
            Relation(self.warehouse, node["schema"], node["alias"])
            for node in self._models().values()
            if node["config"]["materialized"] == "incremental"
            or (node["config"]["materialized"] == "view" and node["schema"] in SHOWN_SCHEMAS)
        ]
        present = [relation for relation in relations if relation.columns()]
        say(f"Hashing {len(present)} relations")
        with ThreadPoolExecutor(2) as both:
            found = both.map(lambda relation: relation.content(relation.columns()), present)
            return {
                f"{relation.schema}.{relation.table}": content
                for relation, content in zip(present, found, strict=True)
            }

    def version(self) -> str:
        """The fingerprint of the models and macros that built the warehouse."""
        with self.warehouse.connect(autocommit=True) as connection:
            row = connection.execute(
                "select string_agg(distinct version, ', ') from ops.model_watermarks"
            ).fetchone()
        assert row is not None
        return str(row[0])

    def _dbt(self, arguments: Sequence[str]) -> None:
        done = run_dbt(self.warehouse, arguments, target_dir=self.folder, quiet=True)
        require(not done.failures, "\n".join(done.failures))

    def _keeps(self, model: str) -> bool:
        return self._models()[model]["config"]["materialized"] in ("table", "incremental")

    def _models(self) -> dict[str, dict[str, Any]]:
        nodes = self._artifact("manifest")["nodes"]
        return {_name(node): about for node, about in nodes.items() if _is_model(node)}

    def _artifact(self, name: str) -> dict[str, Any]:
        text = (self.folder / f"{name}.json").read_text(encoding="utf-8")
        artifact: dict[str, Any] = json.loads(text)
        return artifact


def _queries(results: Mapping[str, Any]) -> dict[str, str]:
    return {
        _name(result["unique_id"]): result["compiled_code"]
        for result in results["results"]
        if _is_model(result["unique_id"]) and result.get("compiled_code")
    }


def _is_model(node: str) -> bool:
    return node.startswith("model.")


def _name(node: str) -> str:
    return node.rpartition(".")[2]


def differences(ours: Mapping[str, Content], wanted: Mapping[str, Content]) -> list[str]:
    """The relations that are not equal, with what they hold."""
    return [
        f"{name}: {ours.get(name)} is not {wanted.get(name)}"
        for name in sorted({*ours, *wanted})
        if ours.get(name) != wanted.get(name)
    ]

"""dbt within the test's process: parsed once, where each new as_of makes a dbt parse anew."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from dbt.artifacts.schemas.results import NodeStatus
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from orchestration.build import dbt_build_arguments, dbt_environment
from orchestration.database import Database
from orchestration.settings import PROJECT_DIR

BROKEN = (NodeStatus.Error, NodeStatus.Fail, NodeStatus.RuntimeErr)


class Dbt:
    """The project as it was when it was first used, for any warehouse."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest: Manifest | None = None
        self.compiled: dict[str, str] = {}
        """The models' SQL, by name, as the last build compiled it."""

    def manifest(self, warehouse: Database) -> Manifest:
        """The parsed project; each run gets a copy: it changes nodes, which name its database."""
        if self._manifest is None:
            parsed = self._invoke(warehouse, None, ["parse"])
            if not parsed.success:
                raise AssertionError(f"dbt parse: {parsed.exception}")
            self._manifest = parsed.result
        manifest = self._manifest.deepcopy()
        for node in (*manifest.nodes.values(), *manifest.sources.values()):
            database = f'"{node.database}".'
            node.database = warehouse.fields["dbname"]
            if node.relation_name:
                node.relation_name = node.relation_name.replace(database, f'"{node.database}".', 1)
        manifest.build_flat_graph()  # what Jinja's `graph` shows
        return manifest

    def models(self, warehouse: Database) -> dict[str, Any]:
        """The models by their name."""
        nodes = self.manifest(warehouse).nodes.values()
        return {node.name: node for node in nodes if node.resource_type == "model"}

    def build(
        self,
        warehouse: Database,
        as_of: str | None = None,
        *,
        full_refresh: bool = False,
        select: str | None = None,
        data_tests: bool = False,
    ) -> list[str]:
        """Builds as `loyalty build` does, without testing the data unless asked; what failed."""
        arguments = dbt_build_arguments(as_of=as_of, full_refresh=full_refresh, select=select)
        if not data_tests:
            arguments += ["--exclude-resource-type", "test"]
        result = self._invoke(warehouse, self.manifest(warehouse), arguments)
        results = getattr(result.result, "results", None) or []
        self.compiled = {
            one.node.name: one.node.compiled_code
            for one in results
            if one.node.resource_type == "model"
        }
        broken = [f"{one.node.name}: {one.message}" for one in results if one.status in BROKEN]
        return broken or ([] if result.success else [repr(result.exception)])

    def _invoke(self, warehouse: Database, manifest: Any, arguments: Sequence[str]) -> Any:
        with pytest.MonkeyPatch.context() as patch, chdir(PROJECT_DIR):
            for name, value in dbt_environment(warehouse).items():
                patch.setenv(name, value)
            patch.setenv("DBT_TARGET_PATH", str(self.folder))
            patch.setenv("DBT_LOG_PATH", str(self.folder))
            return dbtRunner(manifest=manifest).invoke(
                ["--quiet", "--no-write-json", "--log-level-file", "none", *arguments]
            )

"""What Dagster shows of each built relation: its row count, its columns and their lineage.

dagster-dbt can fetch both while dbt runs, but spends as much CPU as dbt itself in doing so. Columns
and lineage follow from the models' code alone: they are fetched once per version of it and kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import dagster as dg
import psycopg
from dagster_dbt import DbtCliInvocation
from psycopg import sql

KEPT = ("dagster/column_schema", "dagster/column_lineage")


class ColumnMetadata:
    """Columns and lineage by asset key, as last fetched for this version of the dbt project."""

    def __init__(self, folder: Path, manifest: Path) -> None:
        """Reads what is kept in `folder` for the project that `manifest` describes."""
        version = hashlib.sha256(manifest.read_bytes()).hexdigest()[:16]
        self._folder = folder
        self._path = folder / f"columns-{version}.json"
        self._known: dict[str, dict[str, str]] = (
            json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else {}
        )

    def events(self, invocation: DbtCliInvocation) -> Iterator[Any]:
        """The events of a dbt run, with the columns of each relation; fetched where not known."""
        if self._known:
            for event in invocation.stream():
                yield _with(event, self._of(event))
            return
        for event in invocation.stream().fetch_column_metadata():
            self._remember(event)
            yield event
        self._save()

    def _of(self, event: Any) -> dict[str, Any]:
        known = self._known.get(_name(event), {})
        return {key: dg.deserialize_value(value) for key, value in known.items()}

    def _remember(self, event: Any) -> None:
        if isinstance(event, dg.Output):
            found = {key: event.metadata[key] for key in KEPT if key in event.metadata}
            self._known[_name(event)] = {
                name: dg.serialize_value(cast("Any", value)) for name, value in found.items()
            }

    def _save(self) -> None:
        for outdated in self._folder.glob("columns-*.json"):
            outdated.unlink(missing_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self._known), encoding="utf-8")
        partial.replace(self._path)


def with_row_counts(
    events: Iterator[Any],
    connection: psycopg.Connection[Any],
    relations: Mapping[str, tuple[str, str]],
) -> Iterator[Any]:
    """Adds `dagster/row_count` to the events of tables.

    Args:
        events: The events of a dbt run.
        connection: To the warehouse, in autocommit mode.
        relations: Schema and name of each table, by output name; views are not counted.
    """
    for event in events:
        relation = relations.get(_name(event))
        if relation is None:
            yield event
            continue
        query = sql.SQL("select count(*) from {}").format(sql.Identifier(*relation))
        row = connection.execute(query).fetchone()
        yield _with(event, {"dagster/row_count": row[0] if row else None})


def _name(event: Any) -> str:
    return event.output_name if isinstance(event, dg.Output) else ""


def _with(event: Any, metadata: Mapping[str, Any]) -> Any:
    return event.with_metadata({**event.metadata, **metadata}) if metadata else event

"""Rows as columns: what the simulation gathers batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestration.sample.seasons import Ints


@dataclass(frozen=True)
class Table:
    """Rows as equally long columns."""

    columns: dict[str, Ints]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, column: str) -> Ints:
        return self.columns[column]


class Rows:
    """Rows that arrive in batches; a column left out has its default throughout the batch."""

    def __init__(self, **defaults: int) -> None:
        self._defaults = defaults
        self._batches: dict[str, list[Ints]] = {name: [] for name in defaults}
        self.count = 0

    def add(self, **columns: Ints | int) -> None:
        """Adds a batch; numbers go for all its rows."""
        size = max(np.size(column) for column in columns.values())
        if not all(np.size(c) for c in columns.values()):
            return
        for name, default in self._defaults.items():
            column = np.asarray(columns.get(name, default), dtype=np.int64)
            self._batches[name].append(np.broadcast_to(column, (size,)))
        self.count += size

    def table(self) -> Table:
        """All batches, one after another."""
        none = np.empty(0, dtype=np.int64)
        return Table({n: np.concatenate([none, *parts]) for n, parts in self._batches.items()})

"""The seed of known values and the schema's own lists are the same."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import sqlalchemy as sa

from orchestration.operational.tables import metadata

SEED = Path(__file__).resolve().parents[2] / "seeds" / "enumerations.csv"


def test_the_seed_lists_the_values_that_our_own_copy_of_the_schema_enforces() -> None:
    enforced = {
        (table.name, found[1], value)
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, sa.CheckConstraint)
        if (found := re.fullmatch(r"(\w+) in \((.*)\)", str(constraint.sqltext)))
        for value in re.findall(r"'([^']*)'", found[2])
    }
    with SEED.open(encoding="utf-8", newline="") as file:
        listed = [tuple(row.values()) for row in csv.DictReader(file)]
    assert len(listed) == len(set(listed))
    assert set(listed) == enforced, "Change orchestration/operational/enumerations.py likewise."

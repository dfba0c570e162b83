"""The lock file pins everything by hash and names no package index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_lock_names_no_index_and_no_file() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert "index" not in re.sub(r"^[a-z0-9_.-]+==", "", text, flags=re.MULTILINE)


def test_every_declared_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = {
        re.split(r"\[|==", line)[0]
        for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    groups = project["dependency-groups"].values()
    declared = project["project"]["dependencies"] + [name for group in groups for name in group]
    names = {re.split(r"[\[<>=~ ]", name)[0].lower().replace("_", "-") for name in declared}
    assert names - locked == set()

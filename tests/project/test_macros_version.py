"""dbt tells a macro nothing of the macros: the project names their version, which must be right."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]


def test_macros_version_is_the_fingerprint_of_the_macros() -> None:
    digest = hashlib.sha256()
    for path in sorted((PROJECT / "macros").glob("*.sql")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    version = digest.hexdigest()[:12]
    variables = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    assert variables["macros_version"] == version, (
        f'A macro changed, so models may compute other rows. Set macros_version: "{version}" in '
        "dbt_project.yml, and the next build computes everything once."
    )

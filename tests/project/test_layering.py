"""Who may import whom: domain packages know neither Dagster nor each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "orchestration"
DOMAINS = ("operational", "sync", "segments", "activation", "sample", "embedded", "warehouse")
ALLOWED = {
    "activation": {"segments", "warehouse"},
    "sync": {"warehouse"},
    "segments": {"warehouse"},
}
"""Beside the shared modules: the domain packages that a domain package may import."""


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules_of(domain: str) -> list[Path]:
    return sorted((PACKAGE / domain).rglob("*.py"))


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domain_package_imports_no_dagster_and_no_command_line(domain: str) -> None:
    assert modules_of(domain)
    for path in modules_of(domain):
        roots = {name.split(".")[0] for name in imports_of(path)}
        assert not roots & {"dagster", "dagster_dbt", "dbt", "typer"}, path


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domain_package_imports_only_the_packages_it_may(domain: str) -> None:
    others = set(DOMAINS) - {domain} - ALLOWED.get(domain, set()) | {"cli", "defs"}
    for path in modules_of(domain):
        for name in imports_of(path):
            parts = name.split(".")
            assert not (parts[0] == "orchestration" and len(parts) > 1 and parts[1] in others), (
                f"{path.relative_to(PACKAGE)} imports {name}"
            )


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=str)
def test_a_module_says_in_its_first_line_what_belongs_in_it(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert path.read_text(encoding="utf-8").startswith('"""')


def test_only_the_command_line_prints() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_print = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
            assert not is_print, path

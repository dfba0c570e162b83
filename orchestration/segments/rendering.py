"""The SQL of a dbt model outside a build: its own file and macros, over other relations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, meta, nodes
from jinja2.sandbox import SandboxedEnvironment

from orchestration.settings import PROJECT_DIR

MACROS = PROJECT_DIR / "macros"
MODELS = PROJECT_DIR / "models"

# As dbt sets it up, so that a model's text is the same in both.
_JINJA = SandboxedEnvironment(
    extensions=["jinja2.ext.do"], undefined=StrictUndefined, autoescape=False
)


def render(model: str, names: Mapping[str, Any]) -> str:
    """Renders a model's file.

    Args:
        model: The model's name.
        names: What stands for dbt's own names (ref, source …) and for macros that ask the database.
            All other macros are the project's.

    Raises:
        FileNotFoundError: There is no such model.
        jinja2.UndefinedError: The model uses a name that is neither given nor a macro.
    """
    template, calls = _read(_model_file(model))
    macros = _macros(_needed(calls, frozenset(names)))
    known = {**names, **vars(macros.make_module(dict(names)))}
    return template.render(known)


# Parsing takes longer than all that PostgreSQL has to do, so each file is parsed once.
@cache
def _read(path: Path) -> tuple[Template, frozenset[str]]:
    """A file as a template, and the names that it needs."""
    text = path.read_text(encoding="utf-8")
    tree = _JINJA.parse(text)
    names = frozenset(meta.find_undeclared_variables(tree))
    return _JINJA.from_string(tree), names


@cache
def _needed(calls: frozenset[str], given: frozenset[str]) -> tuple[Path, ...]:
    """The files of the project's macros that some names call, and of those that these call."""
    needed: dict[Path, None] = {}
    pending = sorted(calls)
    while pending:
        name = pending.pop()
        path = MACROS / f"{name}.sql"
        if name not in given and path not in needed and path.exists():
            needed[path] = None
            pending.extend(sorted(_read(path)[1]))
    return tuple(sorted(needed))


@cache
def _macros(paths: tuple[Path, ...]) -> Template:
    """The macros of some files, which may call each other."""
    return _JINJA.from_string("".join(path.read_text(encoding="utf-8") for path in paths))


@cache
def _model_file(model: str) -> Path:
    for path in MODELS.rglob(f"{model}.sql"):
        return path
    raise FileNotFoundError(f"{model}.sql is not in {MODELS.name}/")


@cache
def referenced(model: str) -> frozenset[str]:
    """The models and seeds that a model's file refers to."""
    tree = _JINJA.parse(_model_file(model).read_text(encoding="utf-8"))
    return frozenset(
        str(call.args[0].as_const())
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name == "ref"
    )

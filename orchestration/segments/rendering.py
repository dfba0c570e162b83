"""The SQL of a dbt model outside a build: its own file and macros, over other relations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, meta, nodes
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
    path = _model_file(model)
    used: dict[str, str] = {}
    _collect_macros(path.read_text(encoding="utf-8"), names, used)
    source = "".join(used.values()) + path.read_text(encoding="utf-8")
    return _JINJA.from_string(source).render(names)


@cache
def _model_file(model: str) -> Path:
    for path in MODELS.rglob(f"{model}.sql"):
        return path
    raise FileNotFoundError(f"{model}.sql is not in {MODELS.name}/")


def _collect_macros(source: str, given: Mapping[str, Any], used: dict[str, str]) -> None:
    """Adds the project's macros that a source calls, and those that they call, to `used`."""
    for name in sorted(meta.find_undeclared_variables(_JINJA.parse(source))):
        path = MACROS / f"{name}.sql"
        if name in given or name in used or not path.exists():
            continue
        used[name] = ""  # it may call itself
        text = path.read_text(encoding="utf-8")
        _collect_macros(text, given, used)
        used[name] = text


def referenced(model: str) -> Iterator[str]:
    """The models and seeds that a model's file refers to."""
    tree = _JINJA.parse(_model_file(model).read_text(encoding="utf-8"))
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "ref":
            yield str(call.args[0].as_const())

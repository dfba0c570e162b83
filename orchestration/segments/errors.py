"""What is wrong with a rule, in words that a marketer can act on."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable

Path = tuple[str | int, ...]
"""Where in the criteria: keys and list positions from the root."""

QUOTED_LENGTH = 60
"""Characters of a user's own text that a message quotes at most."""


class RuleError(Exception):
    """A rule that cannot be used: where in the JSON, what is wrong and the nearest valid name.

    Args:
        path: The keys and positions that lead to the faulty place; empty for the rule itself.
        problem: What is wrong, without a full stop.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{render_path(path)}: {problem}")
        self.path = path
        self.problem = problem


def render_path(path: Path) -> str:
    """Writes a path as `all[1].field`; the root is `criteria`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if step.isidentifier() and step.isascii() else quoted(step)
            text += f".{name}" if text else name
    return text or "criteria"


def quoted(value: object) -> str:
    """Quotes a user's text for a message: cut to a bearable length, control characters escaped."""
    text = str(value)
    shortened = text if len(text) <= QUOTED_LENGTH else f"{text[:QUOTED_LENGTH]}…"
    safe = shortened.encode("utf-8", "backslashreplace").decode()
    return json.dumps(safe, ensure_ascii=not safe.isprintable())


def suggest(name: object, names: Iterable[str], *, when_none: str | None = None) -> str:
    """The end of a message about an unknown name: the nearest valid one, or all of them.

    Args:
        name: What was written.
        names: What there is.
        when_none: What to say instead of listing all; the names are then users' own, and quoted.
    """
    valid = list(names)
    # Comparing with a very long text takes very long, and nothing is near it.
    wanted = str(name)[:QUOTED_LENGTH]
    folded = {one[:QUOTED_LENGTH].lower(): one for one in valid}
    nearest = difflib.get_close_matches(wanted.lower(), folded, n=1)
    if nearest:
        meant = folded[nearest[0]]
        return f"did you mean {meant if when_none is None else quoted(meant)}?"
    return when_none or f"use one of {', '.join(valid)}"

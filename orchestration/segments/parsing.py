"""From the text of a rule to criteria known to be good, or to an error that says why not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestration.segments.catalogue import Catalogue
from orchestration.segments.checking import check
from orchestration.segments.criteria import (
    BY_OPERATOR,
    CONDITION,
    KINDS,
    MODELS,
    AllOf,
    AnyOf,
    Node,
    Not,
    Sample,
    Span,
    conditions_in,
    descendants,
    kinds_of,
)
from orchestration.segments.errors import Path, RuleError, quoted, suggest

MAXIMUM_BYTES = 65_536
MAXIMUM_DEPTH = 8
MAXIMUM_CONDITIONS = 100
LARGEST_NUMBER = Decimal(10) ** 15
MAXIMUM_DECIMALS = 6
# A condition adds two levels of JSON to its group's two, and its list of values one.
_MAXIMUM_NESTING = 2 * MAXIMUM_DEPTH + 4


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys came twice, which JSON itself leaves open."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs)
        self.doubled = [key for key, count in counts.items() if count > 1]


def parse(text: str | None, catalogue: Catalogue) -> Node | None:
    """Reads a rule.

    Args:
        text: The criteria as raw JSON text, so that doubled keys can be seen.
        catalogue: The fields and events that the rule may read.

    Returns:
        The checked criteria; None for the empty rule `{}`, which selects nobody. Which segments
        there are is the shop's matter: the names of those that it reads are not checked.

    Raises:
        RuleError: The rule cannot be used.
    """
    document = _load(text)
    _check_document(document)
    if document == {}:
        return None
    try:
        criteria = CONDITION.validate_python(document)
    except ValidationError as error:
        raise _explain(error, document) from None
    _check_size(criteria)
    check(criteria, catalogue)
    return criteria


def _load(text: str | None) -> Any:
    if text is None:
        raise RuleError((), "there are none; write {} for a segment of nobody")
    if len(text.encode("utf-8", "surrogatepass")) > MAXIMUM_BYTES:
        raise RuleError((), f"the rule is larger than {MAXIMUM_BYTES // 1024} KB")
    try:
        return json.loads(
            text,
            object_pairs_hook=_Object,
            parse_int=_number,
            parse_float=_number,
            parse_constant=lambda name: Decimal("NaN"),
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RuleError((), f"not JSON ({error.msg.lower()}, {where})") from None
    except RecursionError:
        raise RuleError((), f"nested deeper than {MAXIMUM_DEPTH} groups") from None


def _number(digits: str) -> Decimal:
    try:
        # A zero may have any exponent, and with one of 20,000 PostgreSQL refuses it.
        return Decimal(digits) or Decimal(0)
    except InvalidOperation:
        return Decimal("NaN")


def _check_document(document: Any) -> None:
    """Checks what holds for any JSON in a rule: nesting, doubled keys, text and numbers."""
    for path, value in _walk(document):
        if len(path) > _MAXIMUM_NESTING:
            raise RuleError(path[:4], f"nested deeper than {MAXIMUM_DEPTH} groups")
        if isinstance(value, _Object):
            if value.doubled:
                raise RuleError(path, f"the key {quoted(value.doubled[0])} is there twice")
            for key in value:
                _check_text((*path, key), key)
        elif isinstance(value, str):
            _check_text(path, value)
        elif isinstance(value, Decimal):
            _check_number(path, value)


def _walk(document: Any) -> Iterator[tuple[Path, Any]]:
    """Every value of a JSON document with its path, parents first, in the order of the text."""
    pending: list[tuple[Path, Any]] = [((), document)]
    while pending:
        path, value = pending.pop()
        yield path, value
        if isinstance(value, dict):
            pending.extend(((*path, key), item) for key, item in reversed(value.items()))
        elif isinstance(value, list):
            pending.extend(((*path, at), value[at]) for at in reversed(range(len(value))))


def _check_text(path: Path, text: str) -> None:
    if "\0" in text:
        raise RuleError(path, "text must not hold the character NUL")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise RuleError(path, "text must not hold half a character (a lone surrogate)")


def _check_number(path: Path, number: Decimal) -> None:
    # Not abs(), which rounds, and overflows with exponents that JSON may have.
    if number.is_nan() or number.copy_abs() >= LARGEST_NUMBER:
        raise RuleError(path, "the number is too large, or none; numbers stay under 10^15")
    exponent = number.as_tuple().exponent
    if number != 0 and isinstance(exponent, int) and exponent < -MAXIMUM_DECIMALS:
        raise RuleError(path, f"numbers have at most {MAXIMUM_DECIMALS} decimals")


def _check_size(criteria: Node) -> None:
    for path, depth, node in descendants(criteria):
        if depth == MAXIMUM_DEPTH and isinstance(node, AllOf | AnyOf | Not):
            raise RuleError(path, f"nested deeper than {MAXIMUM_DEPTH} groups")
    conditions = conditions_in(criteria)
    if conditions > MAXIMUM_CONDITIONS:
        raise RuleError((), f"{conditions} conditions; a rule has at most {MAXIMUM_CONDITIONS}")


def _explain(error: ValidationError, document: Any) -> RuleError:
    """Turns pydantic's errors into the one that helps most: an unknown key before a missing one."""
    details = error.errors(include_url=False, include_context=True)
    first = min(details, key=lambda detail: detail["type"] != "extra_forbidden")
    path = _json_path(first["loc"], document)
    if first["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return _unknown_condition(path, first["input"])
    return RuleError(path, _problem(first))


def _json_path(location: Sequence[str | int], document: Any) -> Path:
    """The part of pydantic's location that is in the document: it adds tags and type names."""
    path: list[str | int] = []
    value = document
    for step in location:
        inside = isinstance(value, dict) and step in value
        if inside or (isinstance(value, list) and isinstance(step, int) and step < len(value)):
            path.append(step)
            value = value[step]
    return tuple(path)


def _problem(detail: ErrorDetails) -> str:
    kind, value, location = detail["type"], detail["input"], detail["loc"]
    if kind == "missing":
        return f"{quoted(location[-1])} is missing"
    if kind == "extra_forbidden":
        tag = next((step for step in reversed(location) if step in MODELS), "")
        model = MODELS.get(str(tag))
        if "random_sample" in location[:-1]:
            model = Sample
        elif {"within_last", "held_within_last"} & set(location[:-1]):
            model = Span
        keys = [f.alias or name for name, f in model.model_fields.items()] if model else []
        return f"unknown key {quoted(location[-1])}; {suggest(location[-1], keys)}"
    if kind == "too_short":
        return "empty; it needs at least one" if value == [] else "needs exactly two values"
    if kind == "too_long":
        return f"more values than the {detail['ctx']['max_length']} that fit"
    if kind == "string_too_short":
        return "empty text"
    if kind == "string_too_long":
        return f"text longer than {detail['ctx']['max_length']} characters"
    if kind == "literal_error":
        return f"{quoted(value)} does not fit here; use {detail['ctx']['expected']}"
    if kind in ("is_instance_of", "decimal_type") or kind.startswith("decimal"):
        hint = "; leave out the quotes" if isinstance(value, str) else ""
        return f"{_shown(value)} is not a number{hint}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"{_shown(value)} is not from 0 to 100"
    if kind == "string_type":
        return f"{_shown(value)} is not text"
    if kind == "list_type":
        return f"{_shown(value)} is not a list"
    if kind == "aggregate":
        return str(detail["ctx"]["problem"])
    if kind in ("model_type", "model_attributes_type"):
        return f"{_shown(value)} is not an object"
    return f"{_shown(value)} {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _unknown_condition(path: Path, node: Any) -> RuleError:
    """Says why a JSON value is none of the language's conditions."""
    if not isinstance(node, dict):
        return RuleError(path, f"{_shown(node)} is not a condition; write an object in braces")
    kinds = kinds_of(node)
    if len(kinds) > 1:
        named = " and ".join(kinds)
        return RuleError(path, f"{named} cannot be in one object; nest one of them in a group")
    if not kinds:
        key = next(iter(node), None)
        if key is None:
            return RuleError(path, "an empty condition; only a whole rule may be empty")
        known = ("field",) if "where" in path else KINDS
        return RuleError(path, f"unknown key {quoted(key)}; {suggest(key, known)}")
    if "where" in path and kinds[0] != "field":
        problem = f"{kinds[0]} does not fit in where, which has conditions on the event's fields"
        return RuleError(path, problem)
    if "op" not in node:
        return RuleError(path, '"op" is missing')
    op = node["op"]
    return RuleError(
        (*path, "op"), f"unknown operator {_shown(op)}; {suggest(op, BY_OPERATOR[kinds[0]])}"
    )


def _shown(value: Any) -> str:
    """A JSON value as a message shows it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value) if isinstance(value, Decimal) else quoted(value)

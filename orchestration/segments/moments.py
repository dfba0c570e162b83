"""Points in time as rules write them: ISO 8601, with an offset or local to the shop."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from orchestration.segments.errors import Path, RuleError, quoted

_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)


def parse_moment(value: object, path: Path) -> datetime:
    """Reads a date or time.

    Returns:
        An instant in UTC where the text has an offset; else a naive time, local to the shop.

    Raises:
        RuleError: It is not text, not ISO 8601, or no date of the calendar.
    """
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        shown = quoted(value)
        raise RuleError(path, f"{shown} is not a date or time like 2026-01-31 or 2026-01-31T09:00")
    try:
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise RuleError(path, f"{quoted(value)} is not in the calendar") from None

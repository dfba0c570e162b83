"""When people shop: seasons, weekdays, hours of the day, and what clocks show elsewhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DAY = 86_400_000
"""A day in milliseconds, the unit of every instant here."""

_WEEKDAYS = np.array([0.95, 0.92, 0.96, 1.00, 1.12, 1.10, 0.95])
_MONTHS = np.array([0.82, 0.84, 0.93, 0.98, 1.02, 0.97, 0.93, 0.93, 1.00, 1.06, 1.38, 1.48])
_HOURS = np.array(
    [4, 2, 1, 1, 1, 2, 5, 10, 16, 21, 25, 28, 31, 28, 25, 24, 25, 28, 34, 41, 44, 38, 24, 11],
    dtype=float,
)
_HOURS_CUMULATED = np.concatenate([[0.0], np.cumsum(_HOURS) / _HOURS.sum()])


def demand(first: date, days: int) -> Floats:
    """The pull of each day from `first` on (1 = ordinary): season of the year times weekday."""
    dates = [first + timedelta(days=n) for n in range(days)]
    middle_of_month = 365 / 12 * (np.arange(len(_MONTHS) + 2) - 0.5)
    wrapped = np.concatenate([_MONTHS[-1:], _MONTHS, _MONTHS[:1]])
    of_year = np.array([day.timetuple().tm_yday for day in dates], dtype=float)
    weekdays = np.array([day.weekday() for day in dates], dtype=int)
    pull: Floats = np.interp(of_year, middle_of_month, wrapped) * _WEEKDAYS[weekdays]
    return pull


@lru_cache(maxsize=128)
def clock_offsets(zone: str, first: date, days: int) -> Ints:
    """What a zone's clocks are ahead of UTC at noon UTC of each day, in milliseconds."""
    clocks = ZoneInfo(zone)
    noon = datetime(first.year, first.month, first.day, 12, tzinfo=UTC)
    ahead = [(noon + timedelta(days=n)).astimezone(clocks).utcoffset() for n in range(days)]
    return np.array([int((offset or timedelta()).total_seconds()) * 1000 for offset in ahead])


def time_of_day(uniform: Floats) -> Ints:
    """Local times of shopping, in milliseconds since midnight, from uniform numbers in [0, 1)."""
    hours: Floats = np.interp(uniform, _HOURS_CUMULATED, np.arange(25.0))
    return (hours * 3_600_000).astype(np.int64)

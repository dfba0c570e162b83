"""How fast activation may go: rows per second, and how much time it may lose to what fails."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 120.0
"""How long a run waits, all in all, for rows that others hold, and looks for rows that fail."""


class Pace:
    """Keeps the rows written below a rate, with pauses between transactions, never inside one."""

    def __init__(
        self,
        rows_per_second: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rows_per_second
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()

    @property
    def most_rows(self) -> int | None:
        """The largest batch that does not exceed the rate by itself: a second's worth."""
        return self._rate

    def wait(self, rows: int) -> None:
        """Returns when that many rows may be written."""
        if self._rate is None:
            return
        now = self._clock()
        if self._free_at > now:
            self._sleep(self._free_at - now)
        self._free_at = max(self._free_at, now) + rows / self._rate


class Patience:
    """The time that a run may still lose; when it is used up, what fails is left to the next."""

    def __init__(self, seconds: float | None = None) -> None:
        self._left = PATIENCE_SECONDS if seconds is None else seconds

    @property
    def is_left(self) -> bool:
        """Whether there is any."""
        return self._left > 0

    def lose(self, seconds: float) -> None:
        """Counts time that went into an attempt that failed."""
        self._left -= seconds

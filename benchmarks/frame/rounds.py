"""Repetitions that alternate between the contenders, and what a series of them comes to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Contender = Callable[[], Mapping[str, float]]
"""Prepares, is measured, is checked, cleans up; gives its figures by name (seconds, mostly)."""


@dataclass(frozen=True)
class Series:
    """One figure's values, one per round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest."""
        return max(self.values)

    def __truediv__(self, other: Series) -> Series:
        """The ratios, each of two values of the same round."""
        return Series(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def __rtruediv__(self, number: float) -> Series:
        """The number over each: rows over seconds, say."""
        return Series(tuple(number / value for value in self.values))

    def show(self, digits: int = 2) -> str:
        """The median, with the range where there is one."""
        text = f"{self.median:,.{digits}f}"
        if len(self.values) > 1:
            text += f" ({self.low:,.{digits}f}-{self.high:,.{digits}f})"
        return text


def alternate(
    contenders: Mapping[str, Contender], rounds: int, say: Callable[[str], None]
) -> dict[str, Series]:
    """Measures every contender once per round; each round begins with the next of them.

    Returns:
        Every figure's series, by its name.
    """
    names = list(contenders)
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            figures = contenders[name]()
            for figure, value in figures.items():
                found.setdefault(figure, []).append(value)
            shown = ", ".join(f"{figure} {value:,.2f}" for figure, value in figures.items())
            say(f"round {number + 1} of {rounds}: {shown}")
    return series_of(found)


def series_of(found: Mapping[str, Sequence[float]]) -> dict[str, Series]:
    """Lists of values as series."""
    return {figure: Series(tuple(values)) for figure, values in found.items()}

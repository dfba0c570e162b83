"""Cycles in what reads what: where every rule of a loop waits for the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

LONGEST_NAMED = 8
"""A cycle among more than these is not followed to its end: nobody would read it."""


def cycles(reads: Mapping[Key, Sequence[Key]]) -> dict[Key, list[Key]]:
    """Finds who reads themselves, over however many others.

    Args:
        reads: What each one reads; all of it are keys.

    Returns:
        Of everyone on a cycle, a shortest way from them back to themselves: the ones read in turn,
        themselves last. Among more than `LONGEST_NAMED` it is only the first step.
    """
    found = {}
    for knot in _knots(reads):
        inside = {one: [other for other in reads[one] if other in knot] for one in knot}
        for one in knot:
            if len(knot) > LONGEST_NAMED:
                found[one] = inside[one][:1]
            elif inside[one]:
                found[one] = _way_back(one, inside)
    return found


def _way_back(start: Key, reads: Mapping[Key, Sequence[Key]]) -> list[Key]:
    waiting = deque([[other] for other in reads[start]])
    while waiting[0][-1] != start:
        way = waiting.popleft()
        waiting.extend([*way, other] for other in reads[way[-1]] if other not in way)
    return waiting[0]


def _knots(reads: Mapping[Key, Sequence[Key]]) -> list[set[Key]]:
    """The strongly connected parts (Tarjan's), without recursion: rules may chain by thousands."""
    knots: list[set[Key]] = []
    seen: dict[Key, int] = {}
    lowest: dict[Key, int] = {}
    stack: list[Key] = []
    on_stack: set[Key] = set()
    for root in reads:
        if root in seen:
            continue
        seen[root] = lowest[root] = len(seen)
        stack.append(root)
        on_stack.add(root)
        path = [(root, iter(reads[root]))]
        while path:
            one, others = path[-1]
            for other in others:
                if other not in seen:
                    seen[other] = lowest[other] = len(seen)
                    stack.append(other)
                    on_stack.add(other)
                    path.append((other, iter(reads[other])))
                    break
                if other in on_stack:
                    lowest[one] = min(lowest[one], seen[other])
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[one])
                if lowest[one] == seen[one]:
                    knot: set[Key] = set()
                    while one not in knot:
                        knot.add(stack.pop())
                    on_stack -= knot
                    knots.append(knot)
    return knots

"""The page of results: what was written how fast, and what the application felt of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.activation.load import CLIENTS, STATEMENTS, Latencies
from benchmarks.frame.report import Report, Target
from benchmarks.frame.rounds import Series


def write(
    report: Report,
    options: argparse.Namespace,
    figures: Mapping[str, Series],
    latencies: Mapping[str, Sequence[Latencies]],
    plan: Mapping[str, Any],
) -> None:
    report.text("draft")

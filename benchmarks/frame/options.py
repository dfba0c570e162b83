"""The options that every scenario has, and how one is run."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.frame.gates import GateError
from benchmarks.frame.sample import Size
from orchestration.errors import LoyaltyError

RESULTS = Path(__file__).resolve().parents[1] / "results"


def parser(scenario: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that every scenario has."""
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{scenario}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--transactions", type=int, default=5_000_000, help="point transactions")
    made.add_argument("--customers", type=int, default=500_000, help="customers of all shops")
    made.add_argument("--shops", type=int, default=50, help="shops")
    made.add_argument("--repetitions", type=int, default=3, help="rounds; medians are reported")
    made.add_argument("--postgres", type=int, default=18, help="PostgreSQL's major version")
    made.add_argument(
        "--servers", type=int, choices=(1, 2), default=2, help="source and warehouse on one, or two"
    )
    made.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the filled source database here for reuse"
    )
    made.add_argument(
        "--results", type=Path, metavar="DIR", default=RESULTS, help="where the report goes"
    )
    return made


def size_of(options: argparse.Namespace) -> Size:
    """The size that was asked for."""
    return Size(options.transactions, options.customers, options.shops)


def teller() -> Callable[[str], None]:
    """Tells what is being done, with the time since the start, on standard error."""
    began = time.monotonic()

    def say(message: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {message}", file=sys.stderr, flush=True)

    return say


def run(scenario: Callable[[], Path]) -> int:
    """Runs a scenario to its exit code; prints where the report is, or what went wrong."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(scenario())
    except (GateError, LoyaltyError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; everything it made is removed.", file=sys.stderr)
        return 130
    return 0

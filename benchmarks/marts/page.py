"""The report's sections on builds: first and incremental, and ten times the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.frame.report import Report, Target
from benchmarks.marts.builds import Build
from benchmarks.marts.changes import Changed

FIRST, NOTHING, CHANGED, FULL = "first", "nothing changed", "1 % changed", "full refresh"
"""The builds of the whole size, in this order."""

FIXED_SECONDS = 25.0
"""What dbt takes for so many models and tests, whatever the rows."""

BOUNDS = {NOTHING: 0.10, CHANGED: 0.20}
"""What an incremental build may take, as a share of the first one, besides the fixed costs."""

SLOWEST = 10
GROWTH = 11.0
NOTICED_SHARE = 0.01


@dataclass(frozen=True)
class Synced:
    """What came before a build: the sync's seconds, and the rows it found changed."""

    seconds: float
    rows: int


def write_builds(
    report: Report,
    builds: Mapping[str, Build],
    syncs: Mapping[str, Synced],
    changed: Changed | None,
    equal: int,
) -> None:
    """Adds the section on builds of the whole size."""
    first = builds[FIRST]
    report.heading("Builds")
    report.table(
        [
            "", "seconds", "first = 1", "models, sum", "tests, sum", "customers computed",
            "rows that the sync before it moved", "that sync, seconds",
        ],
        [
            [
                name,
                f"{build.seconds:.1f}",
                f"{build.seconds / first.seconds:.2f}",
                f"{build.model_seconds:.1f}",
                f"{build.tests:.1f}",
                f"{build.customers:,}",
                f"{syncs[name].rows:,}" if name in syncs else "-",
                f"{syncs[name].seconds:.1f}" if name in syncs else "-",
            ]
            for name, build in builds.items()
        ],
    )  # fmt: skip
    report.points(
        [
            "A build is `loyalty build`: the segment rules are compiled, then dbt runs "
            f"{len(first.models)} models and {first.test_count} tests, four at a time, from its "
            "own start to its end. dbt has parsed the files before and kept that. A checkpoint "
            "stands before it.",
            "`models, sum` and `tests, sum` add up what dbt tells of each one; as four run at a "
            "time, the sums are more than the seconds.",
            "`first`: into an empty warehouse, after the first sync. `nothing changed`: forty "
            "minutes later, after another sync; no shop's day has ended. `1 % changed`: a day "
            "later, so that every shop has another day"
            + (
                f"; {changed.inserted:,} transactions were inserted, dated in the last seven days, "
                f"whose customers' profiles follow, {changed.updated:,} updated and "
                f"{changed.deleted:,} deleted at random. "
                if changed
                else ". "
            )
            + "`full refresh`: `--full-refresh` after that, with nothing changed in between.",
            f"After `1 % changed` and again after `full refresh` all rows of {equal} relations are "
            "counted and hashed, and both are equal: every relation that keeps its rows, and every "
            "view that analysts read."
            if equal
            else "The incremental builds were not measured, nor compared with a full refresh.",
        ]
    )
    for name, share in BOUNDS.items():
        bound = round(share * first.seconds + FIXED_SECONDS, 1)
        found = builds[name].seconds if name in builds else None
        what = f"build with {name}; {share:g} of the first ({first.seconds:.1f} s) + 25 s"
        report.targets.append(Target(what, found, bound, is_least=False, unit=" s"))


def write_models(report: Report, builds: Mapping[str, Build]) -> None:
    """Adds the section on the slowest models."""
    report.heading("The slowest models")
    report.text(
        "Seconds of each, as dbt tells them, while up to three others ran. For every build its "
        f"{SLOWEST} slowest are in one of the rows."
    )
    shown = {name: None for build in builds.values() for name in build.slowest(SLOWEST)}
    first = builds[FIRST]
    report.table(
        ["model", *builds],
        [
            [f"`{name}`", *(f"{build.models.get(name, 0.0):.2f}" for build in builds.values())]
            for name in sorted(shown, key=lambda name: -first.models.get(name, 0.0))
        ],
    )


def write_growth(
    report: Report, empty: Build, small: Build, large: Build, rows: tuple[int, int]
) -> None:
    """Adds the section on ten times the rows.

    Args:
        report: Where.
        empty: The first build of an operational database without a row: the fixed costs.
        small: The first build of the smaller size.
        large: The first build of the larger size.
        rows: The transactions of both.
    """
    report.heading("Ten times the rows")

    def net(build: Build, model: str) -> float:
        return build.models[model] - empty.models[model]

    lines = []
    for name, figures in {
        "seconds": (empty.seconds, small.seconds, large.seconds),
        "models, sum": (empty.model_seconds, small.model_seconds, large.model_seconds),
        "tests, sum": (empty.tests, small.tests, large.tests),
    }.items():
        none, few, many = figures
        lines.append(
            [
                name,
                *(f"{figure:.1f}" for figure in figures),
                f"{many / few:.2f}",
                _ratio(many - none, few - none),
            ]
        )
    report.table(
        ["", "no rows", f"{rows[0]:,}", f"{rows[1]:,}", "ratio", "less the build of no rows"],
        lines,
    )
    steep = [
        model
        for model in large.models
        if net(large, model) > NOTICED_SHARE * large.model_seconds
        and net(large, model) > GROWTH * max(net(small, model), 0.0)
    ]
    report.points(
        [
            "First builds of transactions, customers and all that belongs to them; the number of "
            "shops is the same. The last column takes from both sizes what a build takes that "
            "finds no rows at all.",
            f"Models that take more than {NOTICED_SHARE:.0%} of all models' time and grow by more "
            f"than {GROWTH:g}, so computed: "
            + (
                "; ".join(
                    f"`{model}` {small.models[model]:.2f} s to {large.models[model]:.2f} s"
                    for model in sorted(steep, key=lambda model: -net(large, model))
                )
                or "none"
            )
            + ".",
        ]
    )
    few = small.model_seconds - empty.model_seconds
    many = large.model_seconds - empty.model_seconds
    # At sizes at which the rows cost nothing that could be measured, neither is their growth.
    growth = many / few if few > 0 and many > 0 else None
    times = rows[1] / rows[0]
    bound = round(GROWTH * times / 10, 1)
    for what, found in {
        f"models' time for {times:g} times the rows, less fixed costs": growth,
        f"a first build's seconds for {times:g} times the rows": large.seconds / small.seconds,
    }.items():
        report.targets.append(Target(what, found, bound, is_least=False))


def _ratio(many: float, few: float) -> str:
    return f"{many / few:.2f}" if few > 0 and many > 0 else "-"

"""`python -m benchmarks.segments`: many rules at once; writes results/segments.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.frame import options as frame
from benchmarks.frame.gates import require
from benchmarks.frame.report import Report, Target
from benchmarks.frame.rounds import Series
from benchmarks.frame.sample import Size, fill
from benchmarks.frame.servers import Servers, private_servers
from benchmarks.marts.__main__ import BEGIN
from benchmarks.marts.builds import WAREHOUSE, Build, Builder
from benchmarks.marts.statements import Statements
from benchmarks.segments import commands, evaluation
from benchmarks.segments.evaluation import OURS, PASS, PEER, WRITING
from benchmarks.segments.rules import EVENTS, SHAPES, change_one, rules, store
from orchestration import segments

FEW, MANY = 100, 10_000
"""Rules of the sample's shops, and of many shops."""

MANY_SHOPS = 1_000
"""Shops that the larger set of rules is spread over."""

IN_ONE_SHOP = 10
"""Rules where one shop has all customers: a hundred would make fourteen million members."""

MIXED = SHAPES[:7] + EVENTS[:3]

SHORT = 3
"""How many times as many rounds the statements have: they take a second, and any noise counts."""

ANSWER_SECONDS = 2.0
"""How long a marketer may wait for a preview or an explanation."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """What one set of rules came to.

    Attributes:
        name: The set.
        rules: How many.
        size: Of how many shops, and over which customers.
        compiling: Seconds of compiling them all.
        seconds: By contender.
        memberships: How many customers they select together.
        first: The build after all of them came or changed.
        steady: The build after that, with nothing changed.
        one_changed: The build after one rule changed.
    """

    name: str
    rules: int
    size: Size
    compiling: float
    seconds: dict[str, Series]
    memberships: int
    first: Build
    steady: Build
    one_changed: Build

    def passes(self, figure: str) -> Series:
        """A figure in passes over the customers."""
        return self.seconds[figure] / self.seconds[PASS]


class Scenario:
    """One run: the servers, and what has been found so far."""

    def __init__(
        self, options: argparse.Namespace, servers: Servers, folder: Path, say: Say
    ) -> None:
        self.options, self.servers, self.folder, self.say = options, servers, folder, say
        self.plans: list[str] = []
        self.commands: list[tuple[int, dict[str, Series]]] = []

    def run(self, report: Report) -> None:
        """Measures all sets of rules.

        Raises:
            GateError: A result is wrong.
        """
        size = frame.size_of(self.options)
        transactions = self.options.many_transactions or size.transactions
        many = Size(transactions, size.customers, self.options.many_shops)
        one = Size(transactions, size.customers, 1)
        found = []
        rows = fill(self.servers.source, size, self.say)
        found += self._sets(size, FEW)
        fill(self.servers.source, many, self.say)
        found += self._sets(many, MANY)
        fill(self.servers.source, one, self.say)
        self._one_shop(one)
        _write(report, found, size)
        _write_commands(report, self.commands)
        report.conditions(self.servers, rows)

    def _sets(self, size: Size, count: int) -> list[Measured]:
        """Rules on fields, then as many of which three in ten also count events."""
        with (
            self.servers.source.new_database("changing", template=size.database) as source,
            self.servers.warehouse.new_database(WAREHOUSE),
        ):
            builder = Builder(self.servers, "changing", self.folder, None)
            found = []
            for name, shapes in (("fields", SHAPES), ("fields and events", MIXED)):
                self.say(f"{count:,} rules of {size.shops:,} shops: {name}")
                store(source, rules(count, size.shops, shapes), size.shops)
                found.append(self._measure(builder, size, count, name))
            self._commands(builder)
            return found

    def _one_shop(self, size: Size) -> None:
        """The largest shop that the commands may meet: all customers are its own."""
        with (
            self.servers.source.new_database("changing", template=size.database) as source,
            self.servers.warehouse.new_database(WAREHOUSE),
        ):
            builder = Builder(self.servers, "changing", self.folder, None)
            self.say(f"{IN_ONE_SHOP} rules of one shop")
            store(source, rules(IN_ONE_SHOP, size.shops, MIXED), size.shops)
            builder.sync(BEGIN)
            builder.parse()
            builder.build()
            self._commands(builder)

    def _commands(self, builder: Builder) -> None:
        self.commands.append(
            commands.measure(builder.warehouse, self.folder, self.options.repetitions, self.say)
        )

    def _measure(self, builder: Builder, size: Size, count: int, name: str) -> Measured:
        builder.sync(BEGIN)
        builder.parse()
        began = time.monotonic()
        report = segments.compile_rules(builder.warehouse)
        compiling = time.monotonic() - began
        require(report.statuses["valid"] == count, f"Not all rules are valid: {report.statuses}.")
        first = builder.build()
        statements = Statements(self.servers.warehouse, WAREHOUSE, self.plans)
        statements.create()
        rounds = SHORT * self.options.repetitions
        seconds, memberships = evaluation.measure(
            builder, statements, rounds, self.say, per_rule=name == "fields"
        )
        statements.drop()
        builder.sync(BEGIN)
        steady = builder.build()
        change_one(builder.source)
        builder.sync(BEGIN)
        one_changed = builder.build()
        return Measured(
            name, count, size, compiling, seconds, memberships, first, steady, one_changed
        )


def _evaluating(build: Build) -> str:
    """Seconds of the models that find out what to evaluate, and evaluate it."""
    models = (*evaluation.MODELS, *evaluation.CHOOSING)
    return f"{sum(build.models[model] for model in models):.1f}"


def _write(report: Report, found: list[Measured], size: Size) -> None:
    report.text(
        f"Rules over {size.customers:,} customers, "
        "evaluated by the statements that a build runs. A pass is `create unlogged table as` all "
        "rows and columns of the customer features, measured in the same rounds. The plans are in "
        "segments_plans.txt."
    )
    report.heading("Evaluation")
    report.table(
        [
            "rules", "shops", "transactions", "memberships", "a pass, s", "all rules, s", "passes",
            "of it writing, s", "one query per rule, s", "passes", "compiling, s",
        ],
        [
            [
                f"{one.rules:,} on {one.name}",
                f"{one.size.shops:,}",
                f"{one.size.transactions:,}",
                f"{one.memberships:,}",
                one.seconds[PASS].show(),
                one.seconds[OURS].show(),
                one.passes(OURS).show(1),
                one.seconds[WRITING].show(),
                one.seconds[PEER].show() if PEER in one.seconds else "-",
                one.passes(PEER).show(1) if PEER in one.seconds else "-",
                f"{one.compiling:.1f}",
            ]
            for one in found
        ],
    )  # fmt: skip
    report.points(
        [
            "`all rules`: the models int_segment_parameters, int_segment_event_tests, "
            "int_segment_event_values, int_segment_kept_members and int_segment_matches, each "
            "written into an unlogged table. `of it writing`: what writing the matches takes "
            "beyond counting them.",
            "`one query per rule`: the same predicates with the same constants, each rule by "
            "itself over the customers of its shop, by the index on the shop. Both select the "
            "same customers, or there would be no report.",
            "`compiling`: reading all rules from raw, checking them and storing the plan.",
        ]
    )
    report.heading("In a build")
    report.table(
        [
            "rules", "all came or changed, s", "evaluation", "stays", "nothing changed, s",
            "evaluation", "stays", "one rule changed, s", "evaluation", "stays",
        ],
        [
            [
                f"{one.rules:,} on {one.name}",
                *(
                    shown
                    for build in (one.first, one.steady, one.one_changed)
                    for shown in (
                        f"{build.seconds:.0f}",
                        _evaluating(build),
                        f"{build.models['segment_stays']:.1f}",
                    )
                ),
            ]
            for one in found
        ],
    )  # fmt: skip
    report.points(
        [
            "The whole `loyalty build`, tests included, with all other models; the first set of "
            "each size comes with the first build of the warehouse.",
            "`evaluation`: the models above and those that tell which rules and customers changed "
            f"({', '.join(evaluation.CHOOSING)}), as dbt tells it, while up to three other models "
            "run. `stays`: segment_stays, which keeps every membership with the values that the "
            "rule saw.",
        ]
    )
    for one, bound in zip(found[::2], (2.0, 15.0), strict=True):
        ours = one.passes(OURS)
        if one.rules > FEW:
            ours = Series(
                tuple(
                    (whole - writing) / a_pass
                    for whole, writing, a_pass in zip(
                        one.seconds[OURS].values,
                        one.seconds[WRITING].values,
                        one.seconds[PASS].values,
                        strict=True,
                    )
                )
            )
        apart = ", writing apart" if one.rules > FEW else ""
        report.targets.append(
            Target(
                f"{one.rules:,} rules of {one.size.shops:,} shops{apart}; a pass = 1",
                ours.median,
                bound,
                is_least=False,
            )
        )
    for one in found:
        name = f"{one.rules} rules on {one.name}"
        report.record(name, one.seconds)
        builds = {"all": one.first, "nothing": one.steady, "one rule": one.one_changed}
        for changed, build in builds.items():
            figures = {figure: Series((value,)) for figure, value in build.figures().items()}
            report.record(f"{name}, {changed} changed", figures)


def _write_commands(report: Report, found: list[tuple[int, dict[str, Series]]]) -> None:
    report.heading("Commands")
    names = list(found[0][1])
    report.table(
        ["customers of the shop", *(f"{name}, s" for name in names)],
        [
            [f"{customers:,}", *(seconds[name].show() for name in names)]
            for customers, seconds in found
        ],
    )
    report.points(
        [
            "`loyalty segments preview`, `diff` and `explain` as whole commands, Python's start "
            "included, in the shop with the most customers, of each set and then of a sample with "
            f"one shop, which has {IN_ONE_SHOP} segments.",
        ]
    )
    customers, seconds = found[-1]
    for name in (commands.PREVIEW, commands.PREVIEW_EVENTS, commands.EXPLAIN):
        report.targets.append(
            Target(
                f"{name}, one shop of {customers:,} customers",
                seconds[name].median,
                ANSWER_SECONDS,
                is_least=False,
                unit=" s",
            )
        )
    for customers, seconds in found:
        report.record(f"commands, a shop of {customers} customers", seconds)


def measure(options: argparse.Namespace, say: Say) -> Path:
    """Runs the scenario.

    Returns:
        The report's path; the plans lie beside it.

    Raises:
        GateError: A result is wrong.
        LoyaltyError: The servers or the sample cannot be had.
    """
    say(f"Starting PostgreSQL {options.postgres}")
    report = Report("Segments: many rules at once")
    with (
        private_servers(options.postgres, options.servers, options.keep) as servers,
        tempfile.TemporaryDirectory(prefix="loyalty-benchmark-dbt-") as folder,
    ):
        scenario = Scenario(options, servers, Path(folder), say)
        scenario.run(report)
    page = report.write(options.results, "segments")
    plans = "\n\n".join(["-- explain (analyze, buffers)", *scenario.plans]) + "\n"
    (options.results / "segments_plans.txt").write_text(plans, encoding="utf-8")
    return page


def main(arguments: list[str] | None = None) -> int:
    """The command; see --help."""
    parser = frame.parser("segments", "Measures the evaluation of many segment rules.")
    parser.add_argument(
        "--many-shops", type=int, default=MANY_SHOPS, help="shops of the larger set of rules"
    )
    parser.add_argument(
        "--many-transactions",
        type=int,
        help="transactions of that set, and of the one shop; default: --transactions",
    )
    options = parser.parse_args(arguments)
    return frame.run(lambda: measure(options, frame.teller()))


if __name__ == "__main__":
    sys.exit(main())

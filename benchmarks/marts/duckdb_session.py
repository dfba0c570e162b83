"""DuckDB, run by the peers' Python: statements as JSON lines on stdin, answers on stdout.

It imports nothing of this project, which is not installed there.
"""

from __future__ import annotations

import importlib
import json
import sys
import time


def main() -> None:
    """Runs statements one by one in a database in memory; tells seconds and the first row."""
    duckdb = importlib.import_module("duckdb")
    job = json.loads(sys.stdin.readline())
    connection = duckdb.connect(":memory:", config=job["settings"])
    print(json.dumps({"version": duckdb.__version__}), flush=True)
    for line in sys.stdin:
        began = time.monotonic()
        try:
            row = connection.execute(json.loads(line)).fetchone()
        except duckdb.Error as error:
            print(json.dumps({"error": str(error)}), flush=True)
            continue
        seconds = time.monotonic() - began
        print(json.dumps({"seconds": seconds, "row": row}), flush=True)


if __name__ == "__main__":
    main()

"""One run of a dlt pipeline, by the peers' Python: a job on stdin, seconds as JSON on stdout.

It imports nothing of this project, which is not installed there.
"""

from __future__ import annotations

import importlib
import json
import sys
import time


def main() -> None:
    """Extracts one table with dlt's sql_database source and loads it into PostgreSQL."""
    dlt = importlib.import_module("dlt")
    sql_table = importlib.import_module("dlt.sources.sql_database").sql_table
    job = json.load(sys.stdin)
    began = time.monotonic()
    pipeline = dlt.pipeline(
        "benchmark",
        destination=dlt.destinations.postgres(job["target"]),
        dataset_name=job["dataset"],
    )
    table = sql_table(
        job["source"],
        table=job["table"],
        schema=job["schema"],
        backend=job["backend"],
        chunk_size=job["chunk_size"],
        backend_kwargs=job["backend_options"],
        reflection_level="full",
    )
    pipeline.extract(table, write_disposition="replace", loader_file_format=job["format"])
    extracted = time.monotonic()
    pipeline.normalize()
    normalized = time.monotonic()
    pipeline.load(raise_on_failed_jobs=True)
    loaded = time.monotonic()
    found = {
        "whole": loaded - began,
        "extract": extracted - began,
        "normalize": normalized - extracted,
        "load": loaded - normalized,
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

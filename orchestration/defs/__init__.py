"""Thin Dagster adapters over the domain packages: assets, jobs, schedules, resources.

Modules that define assets do without `from __future__ import annotations`: Dagster reads the
annotations of their parameters as objects.
"""

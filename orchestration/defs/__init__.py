"""Thin Dagster adapters over the domain packages: assets, jobs, schedules, resources."""

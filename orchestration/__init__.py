"""The loyalty warehouse: what moves data, decides when (Dagster) and meets the user (CLI)."""

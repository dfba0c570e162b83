"""The scenario `sync`: full copies and small changes, against psql's binary pipe and dlt."""

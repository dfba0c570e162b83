"""Scenarios that measure the project against peers: `python -m benchmarks.<scenario>`."""

"""The marts: builds, first and incremental, and the shapes of SQL they rest on, measured."""

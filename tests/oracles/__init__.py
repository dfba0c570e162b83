"""Plain-Python oracles: what the numbers should be, written from the definitions, with loops."""

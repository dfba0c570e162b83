"""Membership changes written into a database that serves a live application meanwhile."""

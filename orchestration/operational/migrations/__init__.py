"""How the schema came to be: Alembic revisions, written by hand, applied by `operational.create`.

A revision spells out its tables and columns and never imports `operational.tables`, which is how
they are today; a test holds the migrated schema against it. To add one, copy the last file of
`versions`, set `revision` and `down_revision`, and change `operational.tables` alike.
"""

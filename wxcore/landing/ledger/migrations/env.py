"""Run by alembic: migrations happen in the transaction that the caller has begun. Ledgers only go forward.

A new revision: change `tables.py`, write `versions/rNNNN_what.py` by hand, raise HEAD; tests compare the two.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()

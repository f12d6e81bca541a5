"""Bring the tables of a ledger to the newest revision; imported only where that is due (see engine.py)."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, select, update

from wxcore.landing.ledger.engine import Writing
from wxcore.landing.ledger.expiry import retell
from wxcore.landing.ledger.files import slices
from wxcore.landing.ledger.journal import FILES_JOURNAL, WARNINGS_JOURNAL, plain
from wxcore.landing.ledger.tables import CYCLE_VERSIONS, CYCLES, FILES, JOURNAL_HEADS, RECEIPTS, WARNINGS

UNTOLD = "0001"
"""The revision that kept no journals."""

_ONE_AT_A_TIME = threading.Lock()  # alembic keeps the migration under way in a global


def config() -> Config:
    """alembic's view of the revisions that are shipped with this code."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return found


def upgrade(transaction: Writing, found: str) -> None:
    """Upgrade inside the caller's transaction; what no journal was told of yet, the journals are told.

    Args:
        found: revision of the tables; "" where there are none.
    """
    connection = transaction.connection
    with _ONE_AT_A_TIME:
        settings = config()
        settings.attributes["connection"] = connection
        if found and not inspect(connection).has_table("alembic_version"):
            command.stamp(settings, found)
        command.upgrade(settings, "head")
    if found == UNTOLD:
        _tell_everything(transaction)


def _tell_everything(transaction: Writing) -> None:
    connection = transaction.connection
    # An upgrade that never committed is told again, after the same batch: the second telling takes the first's place.
    connection.execute(update(JOURNAL_HEADS).values(batch=f"before {UNTOLD}"))
    for part in slices(connection.execute(select(FILES.c.sha256)).scalars()):
        for event in retell(connection, part):
            transaction.tell(FILES_JOURNAL, "keep", event)
    refusals = select(RECEIPTS).where(RECEIPTS.c.sha256.is_(None)).order_by(RECEIPTS.c.id)
    for wanted, journal, kind in (
        (refusals, FILES_JOURNAL, "refuse"),
        (select(CYCLE_VERSIONS).order_by(CYCLE_VERSIONS.c.id), WARNINGS_JOURNAL, "cycle"),
        (select(CYCLES), WARNINGS_JOURNAL, "cycle"),
        (select(WARNINGS), WARNINGS_JOURNAL, "draft"),
    ):
        for row in connection.execute(wanted).mappings():
            number = set() if kind == "draft" else {"id"}  # each database counts for itself
            transaction.tell(journal, kind, plain({key: row[key] for key in row.keys() - number}))

"""Bring the tables of a ledger to the newest revision; imported only where that is due (see engine.py)."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect

_ONE_AT_A_TIME = threading.Lock()  # alembic keeps the migration under way in a global


def config() -> Config:
    """alembic's view of the revisions that are shipped with this code."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return found


def upgrade(connection: Connection, found: str) -> None:
    """Upgrade inside the caller's transaction.

    Args:
        found: revision of the tables; "" where there are none.
    """
    with _ONE_AT_A_TIME:
        settings = config()
        settings.attributes["connection"] = connection
        if found and not inspect(connection).has_table("alembic_version"):
            command.stamp(settings, found)
        command.upgrade(settings, "head")

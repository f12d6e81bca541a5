"""Landed bytes that the ledger does not know: what expired, or was landed just before a crash."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, select

from wxcore.landing.land import landed_path
from wxcore.landing.ledger.engine import reading, writing
from wxcore.landing.ledger.files import slices
from wxcore.landing.ledger.tables import FILES, Ledger
from wxcore.times import require_utc

AT_ONCE = 2_000
"""Files that are deleted in one transaction: a writer waits for them for a fraction of a second."""

_HASH = re.compile(r"[0-9a-f]{64}")


def discard(ledger: Ledger, landing: Path, hashes: Iterable[str]) -> int:
    """Delete the landed bytes of those files that the ledger does not know (any more), while nobody can enter them.

    Who landed such bytes a moment ago, and enters them later, is told that they are gone (`receive` with `look`).

    Args:
        landing: root of the landed bytes.

    Returns:
        how many were there.

    Raises:
        LedgerError: the database fails.
        OSError: no permission; what was deleted before stays deleted.
    """
    gone, left = 0, iter(hashes)
    while part := list(islice(left, AT_ONCE)):
        with writing(ledger) as transaction:
            for sha256 in _not_known(transaction.connection, part):
                path = landed_path(landing, sha256)
                gone += path.is_file()
                path.unlink(missing_ok=True)
    return gone


def discard_litter(ledger: Ledger, landing: Path, before: datetime) -> int:
    """Delete what was landed before `before` and the ledger does not know: a crash kept `discard` from it.

    Call it after `expire_files`, with the same time: what came since may be about to be entered.

    Returns:
        how many files.

    Raises:
        LedgerError: the database fails.
        OSError: no permission.
        TimeError: a naive time.
    """
    end = require_utc(before).timestamp()
    with reading(ledger) as connection:
        old = [sha256 for sha256 in unknown(connection, landing) if landed_path(landing, sha256).stat().st_mtime < end]
    return discard(ledger, landing, old)


def unknown(connection: Connection, landing: Path) -> Iterator[str]:
    """Hashes of the landed files that the ledger does not know, ascending."""
    for folder in sorted(landing.glob("[0-9a-f]" * 2)):
        names = sorted(path.name for path in folder.iterdir() if _HASH.fullmatch(path.name) and path.is_file())
        yield from _not_known(connection, names)


def _not_known(connection: Connection, hashes: Iterable[str]) -> Iterator[str]:
    for part in slices(hashes):
        known = set(connection.execute(select(FILES.c.sha256).where(FILES.c.sha256.in_(part))).scalars())
        yield from (sha256 for sha256 in part if sha256 not in known)

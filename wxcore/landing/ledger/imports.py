"""Alerts of other offices that came in, each once."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from wxcore.landing.ledger.audit import MACHINE, Act, enter_act
from wxcore.landing.ledger.engine import reading, writing
from wxcore.landing.ledger.issue_tables import IMPORTS
from wxcore.landing.ledger.rows import enter_rows, known_keys
from wxcore.landing.ledger.tables import Ledger, utc_text
from wxcore.times import require_utc


@dataclass(frozen=True)
class ImportRow:
    """An alert of another office. `source`: where it came from; `xml`: the message as read."""

    key: str
    sender: str
    identifier: str
    sent: datetime
    expires: datetime | None
    xml: str
    source: str
    received_at: datetime


def enter_import(
    ledger: Ledger,
    *,
    sender: str,
    identifier: str,
    sent: datetime,
    expires: datetime | None,
    xml: str,
    now: datetime,
    source: str,
) -> bool:
    """Enter an alert; sender, identifier and time sent tell it from every other (CAP 1.2, section 3.2.1).

    Returns:
        False where it was seen before: nothing changes.

    Raises:
        TimeError: a naive time.
        LedgerError: the database fails.
    """
    now, sent = require_utc(now), require_utc(sent)
    end = None if expires is None else require_utc(expires)
    key = hashlib.sha256("\0".join((sender, identifier, utc_text(sent))).encode()).hexdigest()
    row = {
        "key": key, "sender": sender, "identifier": identifier, "sent": sent, "expires": end, "xml": xml,
        "source": source, "received_at": now,
    }  # fmt: skip
    with writing(ledger) as transaction:
        if known_keys(transaction.connection, IMPORTS, [key]):
            return False
        enter_rows(transaction, IMPORTS, [row])
        detail = {"sender": sender, "source": source, "sha256": hashlib.sha256(xml.encode()).hexdigest()}
        enter_act(transaction, MACHINE, Act("import", identifier, "", detail), now=now)
    return True


def list_imports(ledger: Ledger, *, since: datetime) -> list[ImportRow]:
    """Alerts that came from `since` on, or still last then; by arrival, then key.

    Raises:
        TimeError: a naive time.
    """
    since = require_utc(since)
    wanted = select(IMPORTS).where((IMPORTS.c.received_at >= since) | (IMPORTS.c.expires > since))
    with reading(ledger) as connection:
        rows = [ImportRow(**row) for row in connection.execute(wanted).mappings()]
    return sorted(rows, key=lambda row: (row.received_at, row.key))  # here: databases differ in how they order text

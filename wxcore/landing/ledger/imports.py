"""Alerts of other offices that came in, each once; how their signatures were judged stands in the audit log."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from wxcore.errors import RefusedError
from wxcore.landing.ledger.audit import MACHINE, MOST_SUBJECT, Act, detail_of, enter_act
from wxcore.landing.ledger.engine import Writing, reading, writing
from wxcore.landing.ledger.issue_tables import AUDIT, IMPORTS
from wxcore.landing.ledger.rows import change_rows, enter_rows, portions
from wxcore.landing.ledger.tables import Ledger, utc_text
from wxcore.times import require_utc

TRUSTED, UNSIGNED, UNJUDGED = "trusted", "unsigned", "unjudged"
"""A signature by a certificate that we pinned; none; one that nobody judged."""

NEW, KNOWN, REPLACED = "imported", "known", "replaced"
"""What became of an alert: entered; here already; entered in place of one of the same name that nobody vouched for."""


@dataclass(frozen=True)
class Incoming:
    """An alert of another office as it came.

    Attributes:
        xml: the message as read.
        signature: TRUSTED, UNSIGNED or UNJUDGED.
        content: digest of its canonical form: the same however the file around it was written.
    """

    sender: str
    identifier: str
    sent: datetime
    expires: datetime | None
    xml: str
    signature: str
    content: str


@dataclass(frozen=True)
class ImportRow:
    """An alert of another office. `source`: where it came from; `xml`: the message as read.

    `signature`: as it was judged when it came; UNJUDGED where the audit log knows no such bytes.
    """

    key: str
    sender: str
    identifier: str
    sent: datetime
    expires: datetime | None
    xml: str
    source: str
    received_at: datetime
    signature: str


def enter_import(ledger: Ledger, one: Incoming, *, now: datetime, source: str) -> str:
    """Enter an alert; sender, identifier and time sent tell it from every other (CAP 1.2, section 3.2.1).

    A TRUSTED one takes the place of one that is not: whoever sends a forgery first does not shut out the true one.

    Returns:
        NEW, KNOWN (nothing changes) or REPLACED.

    Raises:
        RefusedError: another content was taken under the same name before, and this one is no more to be trusted.
        TimeError: a naive time.
        LedgerError: the database fails.
    """
    now, sent = require_utc(now), require_utc(one.sent)
    end = None if one.expires is None else require_utc(one.expires)
    key = hashlib.sha256("\0".join((one.sender, one.identifier, utc_text(sent))).encode()).hexdigest()
    content = {"expires": end, "xml": one.xml, "source": source, "received_at": now}
    detail = {
        "sender": one.sender, "source": source, "sha256": _sha256(one.xml), "signature": one.signature,
        "content": one.content,
    }  # fmt: skip
    with writing(ledger) as transaction:
        held = transaction.connection.execute(select(IMPORTS).where(IMPORTS.c.key == key)).mappings().one_or_none()
        if held is None:
            row = {"key": key, "sender": one.sender, "identifier": one.identifier, "sent": sent, **content}
            enter_rows(transaction, IMPORTS, [row])
        elif _is_better(transaction, held, one):
            change_rows(transaction, IMPORTS, [key], content)
            detail["replaces"] = _sha256(held["xml"])
        else:
            return KNOWN
        enter_act(transaction, MACHINE, Act("import", one.identifier, "", detail), now=now)
    return NEW if held is None else REPLACED


def _is_better(transaction: Writing, held: RowMapping, one: Incoming) -> bool:
    judged = _judged(transaction.connection, [held]).get(_sha256(held["xml"]), {})
    if one.signature == TRUSTED and judged.get("signature") != TRUSTED:
        return True
    if one.xml != held["xml"] and one.content != judged.get("content"):
        raise RefusedError(
            f"{one.identifier}: another content of the same sender, identifier and time was taken before; only one "
            "signed by a pinned certificate takes its place",
            f"{one.identifier}：已有发送者、编号和时间相同而内容不同的报文，只有经信任证书验证的报文才能取代",
        )
    return False


def list_imports(ledger: Ledger, *, since: datetime) -> list[ImportRow]:
    """Alerts that came from `since` on, or still last then; by arrival, then key.

    Raises:
        TimeError: a naive time.
    """
    since = require_utc(since)
    wanted = select(IMPORTS).where((IMPORTS.c.received_at >= since) | (IMPORTS.c.expires > since))
    with reading(ledger) as connection:
        found = connection.execute(wanted).mappings().all()
        judged = _judged(connection, found)
    rows = [ImportRow(**row, signature=judged.get(_sha256(row["xml"]), {}).get("signature", UNJUDGED)) for row in found]
    return sorted(rows, key=lambda row: (row.received_at, row.key))  # here: databases differ in how they order text


def _judged(connection: Connection, rows: Sequence[RowMapping]) -> dict[str, dict[str, Any]]:
    """What the audit log says of these alerts, by the sha256 of their bytes; the last word counts."""
    acts = select(AUDIT.c.detail).where(AUDIT.c.action == "import").order_by(AUDIT.c.seq)
    found: dict[str, dict[str, Any]] = {}
    for some in portions(sorted({row["identifier"][:MOST_SUBJECT] for row in rows})):
        for text in connection.execute(acts.where(AUDIT.c.subject.in_(some))).scalars():
            detail = detail_of(text)
            found[detail.get("sha256", "")] = detail
    return found


def _sha256(xml: str) -> str:
    return hashlib.sha256(xml.encode()).hexdigest()

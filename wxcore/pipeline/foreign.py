"""Take in CAP of other offices, and show it: each message once, what cannot be used is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from wxcore.errors import RefusedError, WarningError
from wxcore.landing.ledger import ImportRow, enter_import
from wxcore.landing.ledger.imports import Incoming
from wxcore.pipeline.issue_office import Office
from wxcore.times import require_utc
from wxcore.warning.cap_model import Alert, Info
from wxcore.warning.cap_read import parse_cap
from wxcore.warning.foreign import Foreign, import_alerts
from wxcore.warning.signature import MAX_AGE

REFUSED = "refused"

MOST_WORDS = 300
"""Characters that are shown of a text of others: our own choice, twice the longest headline that CAP 1.2 advises."""


def import_file(
    office: Office, path: Path, *, now: datetime, pinned: Sequence[bytes] = (), old: bool = False
) -> list[dict[str, Any]]:
    """Enter the messages of a file: a CAP alert, a feed or an envelope.

    Args:
        pinned: PEM certificates; then every message must be signed by one of them.
        old: take messages of any age, for verification against them; else those of the last day only.

    Returns:
        one row a message: identifier, sender, signature, status (imported, replaced, known or refused), message_en,
        message_zh.

    Raises:
        WarningError: the file, or the structure of a message in it, is refused.
        TimeError: a naive time.
        OSError: it cannot be read.
    """
    now = require_utc(now)
    found = import_alerts(path.read_bytes(), now=now, pinned=pinned, max_age=None if old else MAX_AGE)
    return [_entered(office, one, path.name, now) for one in found]


def _entered(office: Office, one: Foreign, source: str, now: datetime) -> dict[str, Any]:
    status, words = REFUSED, ("; ".join(one.fatal or one.told),) * 2
    if one.usable and one.sent is not None:
        alert = Incoming(
            one.sender, one.identifier, one.sent, one.expires, one.xml.decode(), one.signature, one.content
        )
        try:
            status = enter_import(office.ledger, alert, now=now, source=source)
        except RefusedError as error:
            words = error.en, error.zh
    return {
        "identifier": one.identifier, "sender": one.sender, "signature": one.signature, "status": status,
        "message_en": words[0], "message_zh": words[1],
    }  # fmt: skip


@dataclass(frozen=True)
class Received:
    """A message of others as people are shown it: its texts are strangers' words, one printable line each, cut.

    Attributes:
        event, headline: (Chinese, English); where a language is missing, those of the first info block.
        expires: UTC, the latest of all info blocks; None where none is given.
        signature: a key of `warning.foreign.SIGNATURES`, as judged when it came.
    """

    sender: str
    identifier: str
    sent: datetime
    status: str
    msg_type: str
    event: tuple[str, str]
    headline: tuple[str, str]
    expires: datetime | None
    signature: str


def received(row: ImportRow) -> Received:
    """What of an import is shown; a row whose XML cannot be read any more says so in its headline."""
    try:
        alert, fault = parse_cap(row.xml.encode()), ""
    except WarningError as cause:
        alert, fault = Alert(), str(cause)
    zh, en = (_info(alert, language) for language in ("zh", "en"))
    return Received(
        sender=_line(row.sender), identifier=_line(row.identifier), sent=row.sent, status=_line(alert.status),
        msg_type=_line(alert.msg_type), event=(_line(zh.event), _line(en.event)),
        headline=(_line(zh.headline or fault), _line(en.headline or fault)), expires=row.expires,
        signature=row.signature,
    )  # fmt: skip


def _info(alert: Alert, language: str) -> Info:
    """In this language, else the first; CAP's own language is English where none is named (CAP 1.2, 3.2.2)."""
    named = (info for info in alert.infos if (info.language or "en").lower().startswith(language))
    return next(named, alert.infos[0] if alert.infos else Info())


def _line(words: str) -> str:
    """Without what is not printable: line ends, control characters, marks that turn the direction of writing."""
    whole = " ".join(words[: 10 * MOST_WORDS].split())
    return "".join(letter for letter in whole if letter.isprintable())[:MOST_WORDS]

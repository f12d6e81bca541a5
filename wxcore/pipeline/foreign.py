"""Take in CAP of other offices: each message once, what cannot be used is told."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from wxcore.landing.ledger import enter_import
from wxcore.pipeline.issue_office import Office
from wxcore.times import require_utc
from wxcore.warning.foreign import Foreign, import_alerts
from wxcore.warning.signature import MAX_AGE

NEW, KNOWN, REFUSED = "imported", "known", "refused"


def import_file(
    office: Office, path: Path, *, now: datetime, pinned: Sequence[bytes] = (), old: bool = False
) -> list[dict[str, Any]]:
    """Enter the messages of a file: a CAP alert, a feed or an envelope.

    Args:
        pinned: PEM certificates; then every message must be signed by one of them.
        old: take messages of any age, for verification against them; else those of the last day only.

    Returns:
        one row a message: identifier, sender, status (imported, known or refused), message_en, message_zh.

    Raises:
        WarningError: the file, or the structure of a message in it, is refused.
        TimeError: a naive time.
        OSError: it cannot be read.
    """
    now = require_utc(now)
    found = import_alerts(path.read_bytes(), now=now, pinned=pinned, max_age=None if old else MAX_AGE)
    return [_entered(office, one, path.name, now) for one in found]


def _entered(office: Office, one: Foreign, source: str, now: datetime) -> dict[str, Any]:
    status = REFUSED
    if one.usable and one.sent is not None:
        fresh = enter_import(
            office.ledger, sender=one.sender, identifier=one.identifier, sent=one.sent, expires=one.expires,
            xml=one.xml.decode(), now=now, source=source,
        )  # fmt: skip
        status = NEW if fresh else KNOWN
    words = "; ".join(one.fatal or one.told)
    return {
        "identifier": one.identifier, "sender": one.sender, "signature": one.signature, "status": status,
        "message_en": words, "message_zh": words,
    }  # fmt: skip

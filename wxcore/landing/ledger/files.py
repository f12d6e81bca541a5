"""Files and receipts: what came, when, and what became of it, each change in one transaction.

Conservation holds at all times: received = stored + duplicate + quarantined + pending (RELIABILITY.md B13).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from wxcore.errors import LedgerError, Reason
from wxcore.landing.land import landed_path
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.journal import FILES_JOURNAL, Replayer, plain, row_of
from wxcore.landing.ledger.tables import FILES, RECEIPTS, Ledger
from wxcore.times import require_utc

STORED, DUPLICATE, QUARANTINED, PENDING = "stored", "duplicate", "quarantined", "pending"

GONE = "gone"
"""What `receive` says of bytes that expired between their landing and their entry."""

AT_ARRIVAL = datetime.max.replace(tzinfo=UTC)
"""`published_at` of a file whose source tells no time: it counts as published when it came."""

SLICE = 500
"""Values in one list of a query; the databases take some ten thousand."""


@dataclass(frozen=True)
class Arrival:
    """Bytes that were landed.

    Attributes:
        sha256: of the bytes.
        name: safe to show (`display_name`).
        size: [bytes].
        received_at: when.
        published_at: modification time at the source; one later than the arrival counts as the arrival.
        arrival_key: tells this file of a watched folder from every other, at most 64 characters; "" where none is.
    """

    sha256: str
    name: str
    size: int
    received_at: datetime
    published_at: datetime = AT_ARRIVAL
    arrival_key: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "received_at", require_utc(self.received_at))
        object.__setattr__(self, "published_at", min(require_utc(self.published_at), self.received_at))


@dataclass(frozen=True)
class FileRow:
    """One content. `status`: stored, quarantined or pending; `obs_time` None where the file could not be read.

    `published_at` is the newest of all times that these bytes came.
    """

    sha256: str
    name: str
    size: int
    format: str
    kind: str
    site: str
    obs_time: datetime | None
    received_at: datetime
    status: str
    reason: str = ""
    message_en: str = ""
    message_zh: str = ""
    offset: int | None = None
    published_at: datetime = AT_ARRIVAL

    def __post_init__(self) -> None:
        if self.published_at == AT_ARRIVAL:
            object.__setattr__(self, "published_at", self.received_at)


def receive(ledger: Ledger, arrivals: Sequence[Arrival], *, look: bool = False) -> list[str]:
    """Enter that these bytes are in the landing tree, before anybody decodes them, all or none.

    Args:
        look: see first whether they are there, as nobody can expire them meanwhile; those that are not are left out.

    Returns:
        for each "duplicate" (stored already), "pending" (new, waiting, or refused by an earlier reader), or "gone"
        (not entered: land it again).

    Raises:
        LedgerError: the database or the journal fails; nothing is entered then.
    """
    with writing(ledger) as transaction:
        landing = ledger.landing if look else None
        is_here = [landing is None or _is_here(landing, arrival) for arrival in arrivals]
        here = [arrival for arrival, found in zip(arrivals, is_here, strict=True) if found]
        for arrival in here:
            transaction.tell(FILES_JOURNAL, "receive", plain(vars(arrival)))
        outcomes = iter(enter_arrivals(transaction.connection, here))
        return [next(outcomes) if found else GONE for found in is_here]


def _is_here(landing: Path, arrival: Arrival) -> bool:
    path = landed_path(landing, arrival.sha256)
    return path.is_file() and path.stat().st_size == arrival.size


def decide(ledger: Ledger, rows: Sequence[FileRow]) -> list[str]:
    """Enter what became of landed bytes, all or none; this settles their waiting receipts.

    Stored stays stored: a decision on stored bytes changes nothing. One on quarantined bytes without a new receipt
    takes the place of the decision before it.

    Returns:
        for each "stored", "quarantined", or "duplicate" where the bytes were stored already.

    Raises:
        LedgerError: a status that is neither stored nor quarantined, or a stored file without time; the database or
            the journal fails.
    """
    for row in rows:
        _check(row)
    with writing(ledger) as transaction:
        for row in rows:
            transaction.tell(FILES_JOURNAL, "decide", plain(vars(row)))
        return _decide(transaction.connection, rows)


def record_refusal(
    ledger: Ledger,
    *,
    name: str,
    reason: Reason,
    message_en: str,
    message_zh: str,
    received_at: datetime,
    arrival_key: str = "",
) -> None:
    """Enter that a path was received that holds no bytes to land (a folder, a device, nothing): quarantined.

    Raises:
        LedgerError: the database or the journal fails.
        TimeError: a naive time.
    """
    received_at = require_utc(received_at)
    values = {
        "name": name,
        "reason": str(reason),
        "message_en": message_en,
        "message_zh": message_zh,
        "received_at": received_at,
        "published_at": received_at,
        "arrival_key": arrival_key or None,
    }
    with writing(ledger) as transaction:
        transaction.tell(FILES_JOURNAL, "refuse", plain(values))
        _refuse(transaction.connection, [values])


def _check(row: FileRow) -> None:
    if row.status not in {STORED, QUARANTINED} or (row.status == STORED and row.obs_time is None):
        raise LedgerError(
            f"{row.name}: status {row.status!r} with time {row.obs_time}, expected stored (with a time) or quarantined",
            f"{row.name}：状态 {row.status!r}、时间 {row.obs_time} 不合法，应为 stored（须有时间）或 quarantined",
        )


def enter_arrivals(connection: Connection, arrivals: Sequence[Arrival]) -> list[str]:
    """`receive` inside a transaction, without a word to the journal."""
    known = _known(connection, (arrival.sha256 for arrival in arrivals))
    before = dict(known)
    receipts = []
    for arrival in arrivals:
        file = known.get(arrival.sha256)
        if file is None or file.status == QUARANTINED:  # a newer reader may read what an older one refused
            file = replace(_pending(arrival), published_at=_newest(arrival.published_at, file))
        known[arrival.sha256] = replace(file, published_at=_newest(arrival.published_at, file))
        outcome = DUPLICATE if file.status == STORED else PENDING
        receipts.append(_receipt(arrival, outcome))
    _save(connection, before, known)
    if receipts:
        connection.execute(insert(RECEIPTS), receipts)
    return [receipt["outcome"] for receipt in receipts]


def _decide(connection: Connection, rows: Sequence[FileRow]) -> list[str]:
    known = _known(connection, (row.sha256 for row in rows))
    before, outcomes = dict(known), []
    for row in rows:
        file = known.get(row.sha256)
        outcomes.append(DUPLICATE if file is not None and file.status == STORED else row.status)
        if outcomes[-1] != DUPLICATE:
            known[row.sha256] = row if file is None else replace(row, published_at=file.published_at)
    _save(connection, before, known)
    _settle(connection, [known[sha256] for sha256 in dict.fromkeys(row.sha256 for row in rows)])
    return outcomes


def _settle(connection: Connection, decided: Sequence[FileRow]) -> None:
    """Give receipts their outcome: the oldest that waits its own, later ones duplicates of it.

    Where none waits, and the bytes are stored by no receipt, the oldest receipt that they have takes the outcome.
    """
    states: dict[str, dict[str, list[int]]] = {row.sha256: {} for row in decided}
    for part in slices(states):
        wanted = select(RECEIPTS.c.sha256, RECEIPTS.c.outcome, RECEIPTS.c.id).where(RECEIPTS.c.sha256.in_(part))
        for sha256, outcome, number in connection.execute(wanted.order_by(RECEIPTS.c.id)):
            states[sha256].setdefault(outcome, []).append(number)
    changes, missing = [], []
    for row in decided:
        found = states[row.sha256]
        waiting = found.get(PENDING, [])
        stored = STORED in found
        settled = waiting or ([] if stored else found.get(QUARANTINED, [])[:1])
        if not found:
            missing.append(_receipt(row, row.status))
        for number in settled:
            outcome = DUPLICATE if stored else row.status
            changes.append({"receipt": number, **_told(row, outcome)})
            stored = stored or outcome == STORED
    if changes:
        connection.execute(update(RECEIPTS).where(RECEIPTS.c.id == bindparam("receipt")), changes)
    if missing:  # a journal whose line of the arrival is broken
        connection.execute(insert(RECEIPTS), missing)


def _refuse(connection: Connection, refusals: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(insert(RECEIPTS), [{"sha256": None, "outcome": QUARANTINED, **row} for row in refusals])


def _known(connection: Connection, hashes: Iterable[str]) -> dict[str, FileRow]:
    found: dict[str, FileRow] = {}
    for part in slices(dict.fromkeys(hashes)):
        rows = connection.execute(select(FILES).where(FILES.c.sha256.in_(part))).mappings()
        found.update((row["sha256"], FileRow(**row)) for row in rows)
    return found


def slices(values: Iterable[str]) -> Iterator[list[str]]:
    """`values` in lists short enough for one query."""
    everything = list(values)
    for start in range(0, len(everything), SLICE):
        yield everything[start : start + SLICE]


def _save(connection: Connection, before: Mapping[str, FileRow], after: Mapping[str, FileRow]) -> None:
    new = [vars(row) for sha256, row in after.items() if sha256 not in before]
    changed = [
        {"key": sha256, **vars(row)} for sha256, row in after.items() if sha256 in before and row != before[sha256]
    ]
    if new:
        connection.execute(insert(FILES), new)
    if changed:
        connection.execute(update(FILES).where(FILES.c.sha256 == bindparam("key")), changed)


def _newest(published_at: datetime, file: FileRow | None) -> datetime:
    return published_at if file is None else max(published_at, file.published_at)


def _pending(arrival: Arrival) -> FileRow:
    return FileRow(arrival.sha256, arrival.name, arrival.size, "", "", "", None, arrival.received_at, PENDING)


def _receipt(file: Arrival | FileRow, outcome: str) -> dict[str, Any]:
    return {
        "sha256": file.sha256,
        "name": file.name,
        "received_at": file.received_at,
        "published_at": file.published_at,
        "arrival_key": (file.arrival_key or None) if isinstance(file, Arrival) else None,
        **(_told(file, outcome) if isinstance(file, FileRow) else _told(None, outcome)),
    }


def _told(row: FileRow | None, outcome: str) -> dict[str, str]:
    if row is None or outcome != QUARANTINED:
        return {"outcome": outcome, "reason": "", "message_en": "", "message_zh": ""}
    return {"outcome": outcome, "reason": row.reason, "message_en": row.message_en, "message_zh": row.message_zh}


def _replay_receive(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    enter_arrivals(connection, [Arrival(**{**data, **row_of(RECEIPTS, data)}) for data in events])


def _replay_decide(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    _decide(connection, [FileRow(**row_of(FILES, data)) for data in events])


def _replay_refuse(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    _refuse(connection, [row_of(RECEIPTS, data) for data in events])


REPLAY: Mapping[str, Replayer] = {
    "receive": _replay_receive,
    "decide": _replay_decide,
    "refuse": _replay_refuse,
}

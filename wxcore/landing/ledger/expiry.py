"""Forget files that are too old to matter, and the journal's days that spoke of nothing else. Counts stay exact."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from wxcore.landing.ledger.engine import Writing, journals, reading, writing
from wxcore.landing.ledger.files import PENDING, slices
from wxcore.landing.ledger.journal import FILES_JOURNAL, Replayer, day_files, plain, row_of
from wxcore.landing.ledger.replay import events_of
from wxcore.landing.ledger.tables import FILES, RECEIPTS, TALLIES, Ledger, utc_text, utc_time
from wxcore.times import require_utc

AT_ONCE = 10_000
"""Files that one call forgets: a writer who waits for it waits a second or two."""

_NO_BYTES = RECEIPTS.c.sha256.is_(None)


def _expired(before: datetime) -> ColumnElement[bool]:
    """Files that are decided and of which nothing came since."""
    needed = select(RECEIPTS.c.id).where(
        RECEIPTS.c.sha256 == FILES.c.sha256, or_(RECEIPTS.c.received_at >= before, RECEIPTS.c.outcome == PENDING)
    )
    return and_(FILES.c.status != PENDING, ~needed.exists())


def count_expired(ledger: Ledger, before: datetime) -> int:
    """How many files `expire_files` would forget.

    Raises:
        TimeError: a naive time.
    """
    wanted = select(func.count()).select_from(FILES).where(_expired(require_utc(before)))
    with reading(ledger) as connection:
        return int(connection.execute(wanted).scalar_one())


def expire_files(ledger: Ledger, before: datetime, *, limit: int = AT_ONCE) -> list[str]:
    """Forget files that last came before `before`, with all their receipts; what waits for its decision stays.

    Call it until nothing is returned. Then `discard` the bytes: rows without bytes would be a lie, bytes without rows
    are litter at worst (see `discard_litter`).

    Args:
        limit: at most that many files.

    Returns:
        their sha256: the bytes that nobody needs any more.

    Raises:
        LedgerError: the database or the journal fails; nothing is forgotten then.
        TimeError: a naive time.
    """
    before = require_utc(before)
    wanted = select(FILES.c.sha256).where(_expired(before)).limit(limit)
    with writing(ledger) as transaction:
        connection = transaction.connection
        gone = list(connection.execute(wanted).scalars())
        counts = _refusals(connection, before)
        for part in slices(gone):
            counts += _count(connection, RECEIPTS.c.sha256.in_(part))
            _forget(connection, part)
            transaction.tell(FILES_JOURNAL, "forget", {"sha256": part})
        if counts:
            _tally(transaction, before, counts)
    return gone


def _tally(transaction: Writing, before: datetime, counts: Counter[str]) -> None:
    """Add `counts`, those of the refusals before `before` among them, to the tallies, and tell these as they are."""
    tallies = _tallies(transaction.connection) + counts
    if tallies:
        event = {"before": utc_text(before), "tallies": dict(tallies)}
        _replay_tally(transaction.connection, [event])
        transaction.tell(FILES_JOURNAL, "tally", event)


def _refusals(connection: Connection, before: datetime) -> Counter[str]:
    return _count(connection, _NO_BYTES & (RECEIPTS.c.received_at < before))


def _count(connection: Connection, which: ColumnElement[bool]) -> Counter[str]:
    found = connection.execute(select(RECEIPTS.c.outcome, func.count()).where(which).group_by(RECEIPTS.c.outcome))
    return Counter({str(outcome): int(count) for outcome, count in found})


def _tallies(connection: Connection) -> Counter[str]:
    return Counter({str(outcome): int(count) for outcome, count in connection.execute(select(TALLIES))})


def _forget(connection: Connection, hashes: Sequence[str]) -> None:
    connection.execute(delete(RECEIPTS).where(RECEIPTS.c.sha256.in_(hashes)))
    connection.execute(delete(FILES).where(FILES.c.sha256.in_(hashes)))


def _replay_forget(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        _forget(connection, data["sha256"])


def _replay_tally(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        connection.execute(delete(RECEIPTS).where(_NO_BYTES, RECEIPTS.c.received_at < utc_time(data["before"])))
        connection.execute(delete(TALLIES))
        connection.execute(insert(TALLIES), [{"outcome": name, "count": n} for name, n in data["tallies"].items()])


def prune_journal(ledger: Ledger, before: datetime) -> list[Path]:
    """Delete the day files of the files' journal that are wholly older than `before`; call it after `expire_files`.

    What the ledger still knows of the files that such a day speaks of, and its tallies, are told again to today's
    journal first. A day with a refusal that was received later than `before` (a clock that was ahead) stays, and so do
    the days after it: they tell what became of its files. The journal of warnings is never cut.

    Returns:
        the deleted files.

    Raises:
        LedgerError: the database or the journal fails; nothing is deleted then.
        TimeError: a naive time.
    """
    before = require_utc(before)
    folder = journals(ledger)[FILES_JOURNAL]
    days = [] if folder is None else day_files(folder)
    gone = list(takewhile(lambda path: _is_over(path, before) and not _has_later_refusal(path, before), days))
    for path in gone:
        kept = _still_known(ledger, _hashes(path))
        with writing(ledger) as transaction:
            for part in slices(kept):
                for event in retell(transaction.connection, part):
                    transaction.tell(FILES_JOURNAL, "keep", event)
            _tally(transaction, before, _refusals(transaction.connection, before))
        path.unlink()
    return gone


def _is_over(path: Path, before: datetime) -> bool:
    end = datetime.strptime(path.stem, "%Y%m%d").replace(tzinfo=UTC) + timedelta(days=1)
    return end <= min(before, datetime.now(UTC))


def _has_later_refusal(path: Path, before: datetime) -> bool:
    return any(kind == "refuse" and utc_time(data["received_at"]) >= before for kind, data in events_of(path))


def _hashes(path: Path) -> Iterator[str]:
    for kind, data in events_of(path):
        if kind in {"receive", "decide"}:
            yield data["sha256"]
        elif kind == "keep":
            yield data["file"]["sha256"]


def _still_known(ledger: Ledger, hashes: Iterator[str]) -> set[str]:
    known: set[str] = set()
    with reading(ledger) as connection:
        while part := list(islice(hashes, AT_ONCE)):
            for some in slices(dict.fromkeys(part)):
                known.update(connection.execute(select(FILES.c.sha256).where(FILES.c.sha256.in_(some))).scalars())
    return known


def retell(connection: Connection, hashes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """For each of these files the event "keep": its row and all its receipts."""
    wanted = select(RECEIPTS).where(RECEIPTS.c.sha256.in_(hashes)).order_by(RECEIPTS.c.id)
    receipts: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(wanted).mappings():
        receipts.setdefault(row["sha256"], []).append(plain({key: row[key] for key in row if key != "id"}))
    for row in connection.execute(select(FILES).where(FILES.c.sha256.in_(hashes))).mappings():
        yield {"file": plain(dict(row)), "receipts": receipts.get(row["sha256"], [])}


def _replay_keep(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        file = row_of(FILES, data["file"])
        here = FILES.c.sha256 == file["sha256"]
        if connection.execute(update(FILES).where(here).values(file)).rowcount == 0:
            connection.execute(insert(FILES).values(file))
        connection.execute(delete(RECEIPTS).where(RECEIPTS.c.sha256 == file["sha256"]))
        connection.execute(insert(RECEIPTS), [row_of(RECEIPTS, receipt) for receipt in data["receipts"]])


REPLAY: Mapping[str, Replayer] = {"forget": _replay_forget, "tally": _replay_tally, "keep": _replay_keep}

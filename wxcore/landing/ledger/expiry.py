"""Forget files that are too old to matter, and the journal's days that spoke of nothing else. Counts stay exact."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update

from wxcore.landing.ledger.engine import journals, reading, writing
from wxcore.landing.ledger.files import PENDING, slices
from wxcore.landing.ledger.journal import FILES_JOURNAL, Replayer, day_files, events_of, plain, row_of
from wxcore.landing.ledger.tables import FILES, RECEIPTS, TALLIES, Ledger, utc_text, utc_time
from wxcore.times import require_utc

AT_ONCE = 10_000
"""Files that one call forgets: a writer who waits for it waits a second or two."""

_NO_BYTES = RECEIPTS.c.sha256.is_(None)


def expire_files(ledger: Ledger, before: datetime, *, limit: int = AT_ONCE) -> list[str]:
    """Forget files that last came before `before`, with all their receipts; what waits for its decision stays.

    Call it until nothing is returned. Delete bytes only after the call: what a crash leaves behind, a rebuild finds.

    Args:
        limit: at most that many files.

    Returns:
        their sha256: the bytes that nobody needs any more.

    Raises:
        LedgerError: the database or the journal fails; nothing is forgotten then.
        TimeError: a naive time.
    """
    before = require_utc(before)
    needed = select(RECEIPTS.c.id).where(
        RECEIPTS.c.sha256 == FILES.c.sha256, or_(RECEIPTS.c.received_at >= before, RECEIPTS.c.outcome == PENDING)
    )
    wanted = select(FILES.c.sha256).where(FILES.c.status != PENDING, ~needed.exists()).limit(limit)
    with writing(ledger) as transaction:
        connection = transaction.connection
        gone = list(connection.execute(wanted).scalars())
        counts = _count(connection, _NO_BYTES & (RECEIPTS.c.received_at < before))
        for part in slices(gone):
            counts += _count(connection, RECEIPTS.c.sha256.in_(part))
            _forget(connection, part)
            transaction.tell(FILES_JOURNAL, "forget", {"sha256": part})
        if counts:
            tallies = _tallies(connection) + counts
            event = {"before": utc_text(before), "tallies": dict(tallies)}
            _replay_tally(connection, [event])
            transaction.tell(FILES_JOURNAL, "tally", event)
    return gone


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

    Files that such a day speaks of and the ledger still knows are told again to today's journal first. A day with a
    refusal that was received later than `before` (a clock that was ahead) stays. The journal of warnings is never cut.

    Returns:
        the deleted files.

    Raises:
        LedgerError: the database or the journal fails; nothing is deleted then.
        TimeError: a naive time.
    """
    before = require_utc(before)
    folder = journals(ledger)[FILES_JOURNAL]
    gone = [] if folder is None else [path for path in day_files(folder) if _is_over(path, before)]
    gone = [path for path in gone if not any(_later_refusal(kind, data, before) for kind, data in events_of(path))]
    for path in gone:
        kept = _still_known(ledger, _hashes(path))
        with writing(ledger) as transaction:
            for part in slices(kept):
                for event in _retell(transaction.connection, part):
                    transaction.tell(FILES_JOURNAL, "keep", event)
        path.unlink()
    return gone


def _is_over(path: Path, before: datetime) -> bool:
    end = datetime.strptime(path.stem, "%Y%m%d").replace(tzinfo=UTC) + timedelta(days=1)
    return end <= min(before, datetime.now(UTC))


def _later_refusal(kind: str, data: Mapping[str, Any], before: datetime) -> bool:
    return kind == "refuse" and utc_time(data["received_at"]) >= before


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


def _retell(connection: Connection, hashes: Sequence[str]) -> Iterator[dict[str, Any]]:
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

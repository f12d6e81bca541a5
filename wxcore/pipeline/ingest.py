"""Files to landing tree and ledger: each ends as stored, duplicate or quarantined, and none stops the others.

A file is first received (its bytes are on the disk, the ledger says pending), then decoded and decided. What a crash
leaves pending is decided by the next run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

from wxcore.errors import LedgerError, ReadError, Reason, WxcoreError, is_our_trouble
from wxcore.landing.arrivals import Arrived, arrival_of, beneath, outside, refusal_key, wait_until_complete
from wxcore.landing.files import display_name, display_text
from wxcore.landing.guard import GuardError, closed, closings, crash_of
from wxcore.landing.land import Landed, land_batch, landed_path
from wxcore.landing.ledger import (
    DUPLICATE,
    GONE,
    PENDING,
    QUARANTINED,
    STORED,
    Arrival,
    FileRow,
    Ledger,
    decide,
    find_file,
    known_arrivals,
    pending_files,
    receive,
    record_refusal,
)
from wxcore.pipeline.checks import accept, known_radar
from wxcore.pipeline.expand import expand
from wxcore.pipeline.gather import DECODE_THREADS
from wxcore.pipeline.home import Home
from wxcore.pipeline.read import read_file
from wxcore.pipeline.result import Input
from wxcore.region import Region
from wxcore.times import require_utc

T = TypeVar("T")

BATCH = 64
"""Files that are landed and received in one transaction: its sync is shared."""

MOVING = (Reason.STILL_WRITTEN, Reason.NOT_FOUND)
"""What is no fault of a file: it changed, or was renamed, between the look and the copy, or its disk failed."""

OF_STATE = (Reason.EMPTY, Reason.TOO_LARGE)
"""What refuses a file for what it is, so that it is not looked at again before it changes. All else may be mended
while size, time and inode stay: its permissions, or the way to it."""

DECIDE_BATCH = 4
"""Decoded files whose decisions share a transaction."""


@dataclass(frozen=True)
class Offered:
    """A path to take in.

    Attributes:
        key: under which the ledger remembers that it was taken in; "" where it is never asked.
        seen: the state in which it was found complete; it is left alone in any other. None: it is taken as it is.
    """

    path: Path
    key: str = ""
    seen: Arrived | None = None


def ingest(
    paths: Sequence[Path],
    home: Home,
    region: Region,
    *,
    new_only: bool = False,
    now: datetime | None = None,
    progress: Callable[[Input], None] | None = None,
) -> list[Input]:
    """Land, decode and register the files (folders are expanded), in the order given.

    Files that are still being written are waited for.

    Args:
        new_only: leave out, unread, what was taken in from the same path before and is unchanged; for schedules.
        now: what counts as the present for FUTURE_TIME; the clock where None.
        progress: called after each file.

    Raises:
        TimeError: a naive time.
        OSError: the disk is full or failing, or the system has no files, memory or processes for us: what was not
            told of stays pending, or can be offered again.
    """
    _now(now)
    ledger = home.ledger()
    tell = progress or (lambda _: None)
    found = expand(paths)
    strangers = {path for path in found if home.sources and not beneath(path, home.sources)}
    complete, unfinished = wait_until_complete([path for path in found if path not in strangers])
    inputs: list[Input] = []
    for batch in _batches(_offers(complete, ledger, new_only=new_only), BATCH):
        inputs += _whole(batch, home, region, ledger, _now(now), tell)
    refused = [(path, still_written(path)) for path in unfinished]
    refused += [(path, outside(path, home.sources)) for path in found if path in strangers]
    for path, error in refused:
        key = refusal_key(path, error.reason) if new_only else ""
        inputs.append(refuse(ledger, path.name, error, _now(now), key))
        tell(inputs[-1])
    return inputs


def _offers(paths: Sequence[Path], ledger: Ledger, *, new_only: bool) -> list[Offered]:
    """What is to be taken in; what has no key of its own, for a schedule, has its path's."""
    arrivals = [(path, arrival_of(path)) for path in paths]
    if not new_only:
        return [Offered(path, seen=arrival) for path, arrival in arrivals]
    known = known_arrivals(ledger, [arrival.key for _, arrival in arrivals if arrival is not None])
    return [
        Offered(path, arrival.key if arrival else refusal_key(path, Reason.NOT_FOUND), arrival)
        for path, arrival in arrivals
        if arrival is None or arrival.key not in known
    ]


def _now(now: datetime | None) -> datetime:
    return datetime.now(UTC) if now is None else require_utc(now)


def _whole(
    batch: Sequence[Offered],
    home: Home,
    region: Region,
    ledger: Ledger,
    now: datetime,
    tell: Callable[[Input], None],
) -> list[Input]:
    """What became of each file of a batch, decisions included."""
    told: dict[int, Input] = {}
    left = dict(enumerate(batch))
    while left:  # the first of each content is settled in every round
        waiting: dict[str, int] = {}
        for place, item in zip(left, _received(list(left.values()), home, region, ledger, now), strict=True):
            if isinstance(item, ReadError):
                path, key = left[place].path, left[place].key
                told[place] = refuse(ledger, path.name, item, now, refusal_key(path, item.reason) if key else "")
            elif item is not None and item.status == PENDING:
                waiting[item.sha256] = place
            elif item is not None:
                told[place] = item
            if place in told:
                tell(told[place])
        rows = [row for row in (find_file(ledger, sha256) for sha256 in waiting) if row is not None]
        for item in decode_and_decide(rows, home, region, ledger, now):
            told[waiting[item.sha256]] = item
            tell(item)
        left = {place: item for place, item in left.items() if place not in told}
    return [told[place] for place in range(len(batch))]


def take_in(
    offered: Sequence[Offered], home: Home, region: Region, ledger: Ledger, now: datetime, *, follow_links: bool = True
) -> list[Input | None]:
    """Land the files and enter them in the ledger, in one transaction: pending, duplicate, or refused.

    Returns:
        one for each; None where it is to be offered again: an earlier one of this batch has the same bytes and is not
        decided yet, or a watched file was changing, was moved, or is not given by its disk now.

    Raises:
        OSError: the disk is full or failing, or no file can be opened; what was entered stays, the rest can be offered
            again.
        TimeError: a naive time.
    """
    now = require_utc(now)
    received = _received(offered, home, region, ledger, now, follow_links=follow_links)
    return [
        item if not isinstance(item, ReadError) else None if place.key else refuse(ledger, place.path.name, item, now)
        for place, item in zip(offered, received, strict=True)
    ]


def _received(
    offered: Sequence[Offered], home: Home, region: Region, ledger: Ledger, now: datetime, *, follow_links: bool = True
) -> list[Input | ReadError | None]:
    """`take_in`, which tells why it was in vain (MOVING) and leaves that to be entered, or not."""
    told: list[Input | ReadError | None] = []
    arrivals: dict[str, Arrival] = {}
    landings = land_batch(
        [item.path for item in offered], home.landing,
        seen=[item.seen for item in offered], follow_links=follow_links, roots=home.sources,
    )  # fmt: skip
    for item, landed in zip(offered, landings, strict=True):
        name = display_name(item.path.name)
        if isinstance(landed, ReadError) and landed.reason in MOVING:
            told.append(landed)
            continue
        judged = landed if isinstance(landed, ReadError) else _stored_elsewhere(landed, region, ledger)
        if isinstance(judged, ReadError):
            told.append(_refused(item, judged, landed, ledger, now))
            continue
        assert isinstance(landed, Landed)
        if landed.sha256 in arrivals:
            told.append(None)
            continue
        arrivals[landed.sha256] = Arrival(
            landed.sha256, name, landed.size, now, min(landed.published_at, now), item.key
        )
        told.append(judged or Input(name, landed.sha256, PENDING))
    outcomes = dict(zip(arrivals, receive(ledger, list(arrivals.values()), look=True), strict=True))
    return [_with_outcome(item, outcomes) if isinstance(item, Input) else item for item in told]


def _with_outcome(item: Input, outcomes: Mapping[str, str]) -> Input | None:
    """None: its bytes, which were here already, expired while it was landed."""
    if item.status == QUARANTINED:
        return item
    outcome = outcomes[item.sha256]
    return None if outcome == GONE else replace(item, status=outcome)


def _refused(item: Offered, error: ReadError, landed: Landed | ReadError, ledger: Ledger, now: datetime) -> Input:
    """A refusal, remembered by the file's state where that alone was its reason, else by path and reason."""
    of_state = isinstance(landed, Landed) or error.reason in OF_STATE
    key = item.key if of_state or not item.key else refusal_key(item.path, error.reason)
    sha256 = landed.sha256 if isinstance(landed, Landed) else ""
    return refuse(ledger, item.path.name, error, now, key, sha256=sha256)


def _stored_elsewhere(landed: Landed, region: Region, ledger: Ledger) -> Input | ReadError | None:
    """The duplicate that these bytes are, or why this region cannot use bytes that another one stored."""
    known = find_file(ledger, landed.sha256)
    if known is None or known.status != STORED:
        return None
    try:
        if known.kind == "volume" and known.obs_time is not None:
            known_radar(known.site, known.obs_time, region)
    except ReadError as error:
        return error
    return Input(landed.name, landed.sha256, DUPLICATE, kind=known.kind, site=known.site, time=known.obs_time)


def decide_pending(home: Home, region: Region, ledger: Ledger, limit: int, now: datetime) -> Iterator[Input]:
    """Decode and decide at most `limit` of the files that wait, newest first; any thread may, while another takes in.

    Raises:
        TimeError: a naive time.
        OSError: as `decode_and_decide`.
    """
    return decode_and_decide(pending_files(ledger, limit), home, region, ledger, require_utc(now))


def decode_and_decide(
    rows: Sequence[FileRow], home: Home, region: Region, ledger: Ledger, now: datetime
) -> Iterator[Input]:
    """Decode the bytes of these rows, two at a time, and tell of each when it is entered what became of it.

    Raises:
        OSError: trouble of ours (`errors.OUR_TROUBLE`, GuardError): the files that met it stay pending, and so do those
            after them; what was decoded beside them is entered first.
        GuardError: `close_guard` was called; nothing is entered any more.
        LedgerError: nothing can be entered.
    """
    since = closings()
    pool = ThreadPoolExecutor(DECODE_THREADS)
    try:
        judged = pool.map(lambda row: _judge_unless_closed(row, home, region, now, since), rows)
        for batch in _batches(judged, DECIDE_BATCH):
            if closings() != since:
                raise closed()
            yield from _enter(ledger, [row for row in batch if isinstance(row, FileRow)])
            for trouble in batch:
                if isinstance(trouble, OSError):
                    raise trouble
    finally:
        pool.shutdown(cancel_futures=True)


def _judge_unless_closed(row: FileRow, home: Home, region: Region, now: datetime, since: int) -> FileRow | OSError:
    return _judge(row, home, region, now) if closings() == since else closed()


def _enter(ledger: Ledger, rows: Sequence[FileRow]) -> list[Input]:
    """Decide all in one transaction, or, where one row makes that impossible, each in its own: that one is refused."""
    try:
        outcomes = decide(ledger, rows) if rows else []
    except LedgerError:
        raise
    except Exception:  # noqa: BLE001 (what a database or JSON cannot hold; told again below)
        return [_enter_one(ledger, row) for row in rows]
    return [_input(row, outcome) for row, outcome in zip(rows, outcomes, strict=True)]


def _enter_one(ledger: Ledger, row: FileRow) -> Input:
    try:
        outcome = decide(ledger, [row])[0]
    except LedgerError:
        raise
    except Exception as cause:  # noqa: BLE001
        error = crash_of(row.name, f"it cannot be entered: {type(cause).__name__}", f"无法登记：{type(cause).__name__}")
        row = _quarantined(row, error)
        outcome = decide(ledger, [row])[0]
    return _input(row, outcome)


def _judge(row: FileRow, home: Home, region: Region, now: datetime) -> FileRow | OSError:
    """The row with the decision on it: whatever a reader raises, it is about this file and no other.

    Trouble of ours comes back instead: it says nothing about the file.
    """
    try:
        path, dated = landed_path(home.landing, row.sha256), row.published_at
        reading = accept(read_file(path, row.name, region.grid.bounds, reference=dated), row.name, region, now)
        what = reading.description
        return replace(
            row, status=STORED, format=reading.format.name, kind=what.kind, site=display_text(what.site),
            obs_time=require_utc(what.time), reason="", message_en="", message_zh="", offset=None,
        )  # fmt: skip
    except ReadError as error:
        return _quarantined(row, error)
    except WxcoreError as error:
        return _quarantined(row, crash_of(row.name, error.en, error.zh))
    except OSError as cause:
        ours = isinstance(cause, GuardError) or is_our_trouble(cause)
        return cause if ours else _quarantined(row, _unexpected(row, cause))
    except Exception as cause:  # noqa: BLE001 (one file that nobody expected must not stop all others for ever)
        return _quarantined(row, _unexpected(row, cause))


def _unexpected(row: FileRow, cause: Exception) -> ReadError:
    return crash_of(row.name, f"{type(cause).__name__}: {cause}")


def _quarantined(row: FileRow, error: ReadError) -> FileRow:
    return replace(
        row, status=QUARANTINED, format="", kind="", site="", obs_time=None, reason=str(error.reason),
        message_en=display_text(error.en), message_zh=display_text(error.zh), offset=error.offset,
    )  # fmt: skip


def _input(row: FileRow, outcome: str) -> Input:
    told = outcome == QUARANTINED
    return Input(
        row.name, row.sha256, outcome,
        reason=row.reason if told else "", message_en=row.message_en if told else "",
        message_zh=row.message_zh if told else "", kind=row.kind, site=row.site, time=row.obs_time,
    )  # fmt: skip


def refuse(ledger: Ledger, name: str, error: ReadError, now: datetime, key: str = "", *, sha256: str = "") -> Input:
    """Enter that a path was offered whose bytes are not kept, or not for this region.

    Args:
        key: an arrival's, or `refusal_key`: what was entered under it before is not entered again.
    """
    name, en, zh = display_name(name), display_text(error.en), display_text(error.zh)
    if not key or not known_arrivals(ledger, [key]):
        record_refusal(
            ledger, name=name, reason=Reason(error.reason), message_en=en, message_zh=zh, received_at=now,
            arrival_key=key,
        )  # fmt: skip
    return Input(name, sha256, QUARANTINED, str(error.reason), en, zh)


def still_written(path: Path) -> ReadError:
    """What is said of a file that did not stop growing."""
    name = display_name(path.name)
    return ReadError(
        Reason.STILL_WRITTEN,
        f"{name}: is still being written: offer it again when it is complete",
        f"{name}：仍在写入，请在写完后重新导入",
    )


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch

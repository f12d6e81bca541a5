"""Files to landing tree and ledger: each ends as stored, duplicate or quarantined, and none stops the others.

A file is first received (its bytes are on the disk, the ledger says pending), then decoded and decided. What a crash
leaves pending is decided by the next run.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

from wxcore.errors import ReadError, Reason
from wxcore.landing.arrivals import arrival_of, beneath, outside, wait_until_complete
from wxcore.landing.files import display_name
from wxcore.landing.guard import crash_of
from wxcore.landing.guard_child import FAILURES
from wxcore.landing.land import Landed, land_batch, landed_path
from wxcore.landing.ledger import (
    DUPLICATE,
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
"""What is no fault of a watched file: it changed, or was renamed, between the look and the copy."""

DECIDE_BATCH = 4
"""Decoded files whose decisions share a transaction."""


@dataclass(frozen=True)
class Offered:
    """A path to take in, and the key under which the ledger remembers that it was taken in (empty: never asked)."""

    path: Path
    key: str = ""


def expand(paths: Sequence[Path]) -> list[Path]:
    """Folders among `paths` become what lies in them, by name; hidden files are left out."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(child for child in path.iterdir() if not child.name.startswith("."))
        else:
            found.append(path)
    return found


def ingest(
    paths: Sequence[Path],
    home: Home,
    region: Region,
    *,
    new_only: bool = False,
    now: datetime | None = None,
    progress: Callable[[Input], None] | None = None,
) -> list[Input]:
    """Land, decode and register the files (folders are expanded once), in the order given.

    Files that are still being written are waited for.

    Args:
        new_only: leave out, unread, what was taken in from the same path before and is unchanged; for schedules.
        now: what counts as the present for FUTURE_TIME; the clock where None.
        progress: called after each file.

    Raises:
        TimeError: a naive time.
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
        inputs.append(refuse(ledger, path.name, error, _now(now)))
        tell(inputs[-1])
    return inputs


def _offers(paths: Sequence[Path], ledger: Ledger, *, new_only: bool) -> list[Offered]:
    if not new_only:
        return [Offered(path) for path in paths]
    arrivals = [(path, arrival_of(path)) for path in paths]
    keys = {path: arrival.key for path, arrival in arrivals if arrival is not None}
    known = known_arrivals(ledger, list(keys.values()))
    return [Offered(path, keys.get(path, "")) for path in paths if keys.get(path) not in known]


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
    while left:
        received = dict(zip(left, take_in(list(left.values()), home, region, ledger, now), strict=True))
        waiting = {item.sha256: place for place, item in received.items() if item and item.status == PENDING}
        settled = {place: item for place, item in received.items() if item and item.status != PENDING}
        for item in settled.values():
            tell(item)
        rows = [row for row in (find_file(ledger, sha256) for sha256 in waiting) if row is not None]
        for item in decode_and_decide(rows, home, region, ledger, now):
            settled[waiting[item.sha256]] = item
            tell(item)
        told |= settled
        left = {place: item for place, item in left.items() if place not in told}
    return [told[place] for place in range(len(batch))]


def take_in(
    offered: Sequence[Offered], home: Home, region: Region, ledger: Ledger, now: datetime, *, follow_links: bool = True
) -> list[Input | None]:
    """Land the files and enter them in the ledger, in one transaction: pending, duplicate, or refused.

    Returns:
        one for each; None where it is to be offered again: an earlier one of this batch has the same bytes and is not
        decided yet, or a watched file was still changing.

    Raises:
        OSError: the disk is full or failing; what was entered stays, the rest can be offered again.
        TimeError: a naive time.
    """
    now = require_utc(now)
    told: list[Input | None] = []
    arrivals: dict[str, Arrival] = {}
    for item, landed in zip(
        offered, land_batch([item.path for item in offered], home.landing, follow_links=follow_links), strict=True
    ):
        name = display_name(item.path.name)
        if item.key and isinstance(landed, ReadError) and landed.reason in MOVING:
            told.append(None)
            continue
        judged = landed if isinstance(landed, ReadError) else _stored_elsewhere(landed, region, ledger)
        if isinstance(judged, ReadError):
            sha256 = "" if isinstance(landed, ReadError) else landed.sha256
            told.append(refuse(ledger, name, judged, now, item.key, sha256=sha256))
            continue
        assert isinstance(landed, Landed)
        if landed.sha256 in arrivals:
            told.append(None)
            continue
        arrivals[landed.sha256] = Arrival(
            landed.sha256, name, landed.size, now, min(landed.published_at, now), item.key
        )
        told.append(judged or Input(name, landed.sha256, PENDING))
    outcomes = dict(zip(arrivals, receive(ledger, list(arrivals.values())), strict=True))
    return [
        item if item is None or item.status == QUARANTINED else replace(item, status=outcomes[item.sha256])
        for item in told
    ]


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
    """Decode and decide at most `limit` of the files that wait, newest first.

    Raises:
        TimeError: a naive time.
    """
    return decode_and_decide(pending_files(ledger, limit), home, region, ledger, require_utc(now))


def decode_and_decide(
    rows: Sequence[FileRow], home: Home, region: Region, ledger: Ledger, now: datetime
) -> Iterator[Input]:
    """Decode the bytes of these rows, two at a time, and tell of each when it is entered what became of it."""
    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        judged = pool.map(lambda row: _judge(row, home, region, now), rows)
        for batch in _batches(judged, DECIDE_BATCH):
            for row, outcome in zip(batch, decide(ledger, batch), strict=True):
                yield _input(row, outcome)


def _judge(row: FileRow, home: Home, region: Region, now: datetime) -> FileRow:
    """The row with the decision on it. Whatever a reader raises, it is about this file and no other."""
    try:
        reading = read_file(landed_path(home.landing, row.sha256), row.name)
        accept(reading, row.name, region, now)
    except ReadError as error:
        return _quarantined(row, error)
    except FAILURES as cause:
        return _quarantined(row, crash_of(row.name, f"{type(cause).__name__}: {cause}"))
    what = reading.description
    return replace(
        row, status=STORED, format=reading.format.name, kind=what.kind, site=what.site, obs_time=what.time, reason="",
        message_en="", message_zh="", offset=None,
    )  # fmt: skip


def _quarantined(row: FileRow, error: ReadError) -> FileRow:
    return replace(
        row, status=QUARANTINED, reason=str(error.reason), message_en=error.en, message_zh=error.zh,
        offset=error.offset,
    )  # fmt: skip


def _input(row: FileRow, outcome: str) -> Input:
    told = outcome == QUARANTINED
    return Input(
        row.name, row.sha256, outcome,
        reason=row.reason if told else "", message_en=row.message_en if told else "",
        message_zh=row.message_zh if told else "", kind=row.kind, site=row.site, time=row.obs_time,
    )  # fmt: skip


def refuse(ledger: Ledger, name: str, error: ReadError, now: datetime, key: str = "", *, sha256: str = "") -> Input:
    """Enter that a path was offered whose bytes are not kept, or not for this region."""
    name = display_name(name)
    record_refusal(
        ledger, name=name, reason=Reason(error.reason), message_en=error.en, message_zh=error.zh, received_at=now,
        arrival_key=key,
    )  # fmt: skip
    return Input(name, sha256, QUARANTINED, str(error.reason), error.en, error.zh)


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

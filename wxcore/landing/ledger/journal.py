"""Journals: what the ledger was told, one JSON line an event: a lost one can be rebuilt (RELIABILITY.md B14).

Files and receipts go to `<landing>/journal/YYYYMMDD.jsonl`; cycles, warnings and what is sent to
`<warnings>/YYYYMMDD.jsonl`. A line is `{"crc32":"xxxxxxxx","event":{...}}`, the sum taken over the text of the event.

The lines of one transaction are a batch: written at once and synced just before the commit. A batch names the batch
that was committed before it (`after`), so one whose commit failed is recognised: the next batch has the same `after`.
"""

import json
import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table

from wxcore.landing.files import sync_folder
from wxcore.landing.ledger.tables import UtcTime, utc_text, utc_time

Replayer = Callable[[Connection, Sequence[Mapping[str, Any]]], None]
"""Does again what consecutive events of one kind say; the same twice changes nothing, unknown rows raise nothing."""

FILES_JOURNAL, WARNINGS_JOURNAL = "files", "warnings"
_DAY_FILE = re.compile(r"[0-9]{8}\.jsonl")
_START, _MIDDLE, _END = b'{"crc32":"', b'","event":', b"}"


@dataclass(frozen=True)
class Event:
    """One line: `data` holds what JSON can hold; times are text as `utc_text` writes them."""

    batch: str
    after: str
    kind: str
    data: Mapping[str, Any]


def journal_folder(landing: Path) -> Path:
    """Where the journal of file events is."""
    return landing / "journal"


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with its datetimes as text, for `Writing.tell`."""
    return {key: utc_text(value) if isinstance(value, datetime) else value for key, value in values.items()}


def row_of(table: Table, data: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `table` among `data`, with text turned back into datetimes."""
    is_time = _columns(table)
    return {
        key: utc_time(value) if is_time[key] and value is not None else value
        for key, value in data.items()
        if key in is_time
    }


@cache
def _columns(table: Table) -> Mapping[str, bool]:
    return {column.name: isinstance(column.type, UtcTime) for column in table.columns}


def append(folder: Path, batch: str, after: str, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Append one batch to today's file (UTC) and make it durable.

    Where a clock was put back, the newest file there is takes it: the order of the lines is the order of the commits.

    Raises:
        OSError: disk full, no permission; nothing of the batch stays then.
    """
    text = b"".join(_line({"batch": batch, "after": after, "kind": kind, "data": data}) for kind, data in events)
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
    path = folder / max([f"{datetime.now(UTC):%Y%m%d}.jsonl", *_day_names(folder)])
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = b"\n" + text  # a torn line ends here and does not swallow ours
        try:
            _write(descriptor, text)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    if not size:
        sync_folder(folder)


def _line(event: Mapping[str, Any]) -> bytes:
    text = json.dumps(event, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return b"%s%08x%s%s%s\n" % (_START, zlib.crc32(text), _MIDDLE, text, _END)


def _write(descriptor: int, text: bytes) -> None:
    left = memoryview(text)
    while left:
        left = left[os.write(descriptor, left) :]


def day_files(folder: Path) -> list[Path]:
    """The journal's files, oldest day first; none where there is no such folder."""
    return [folder / name for name in sorted(_day_names(folder))]


def _day_names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if _DAY_FILE.fullmatch(name)]  # noqa: PTH208 (years of days)
    except (FileNotFoundError, NotADirectoryError):
        return []


def has_events(landing: Path | None, warnings: Path | None) -> bool:
    """Whether one of these journals was ever written to (`landing`: root of the landed bytes)."""
    folders = (None if landing is None else journal_folder(landing), warnings)
    return any(path.stat().st_size for folder in folders if folder is not None for path in day_files(folder))


def parse(line: bytes) -> Event | None:
    """The event of a line without its end; None where the line is broken."""
    head = len(_START) + 8
    body = line[head + len(_MIDDLE) : -1]
    frame = (line[: len(_START)], line[head : head + len(_MIDDLE)], line[-1:])
    if frame != (_START, _MIDDLE, _END) or line[len(_START) : head] != b"%08x" % zlib.crc32(body):
        return None
    return Event(**json.loads(body))

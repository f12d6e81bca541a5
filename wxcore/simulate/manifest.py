"""The manifest of a feed: what was sent, when, and what had befallen it. The truth for conservation."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path

from wxcore.simulate.feed import Made
from wxcore.simulate.mess import Sent
from wxcore.simulate.planned import Planned
from wxcore.times import iso, parse_time

MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class Line:
    """One row: a file that was sent, or (without sha256 and arrives) one that never came.

    Attributes:
        path: in the feed's folder; size: [bytes]; sha256: of the bytes as they were sent, hex.
        start, end: aware UTC, of what the whole file holds; arrives: when its last byte was there.
        late_min: how much later than on time; broken: how it is broken, empty where it is whole.
        copy: 0, and 1 where it is the second copy of a file.
    """

    path: str
    instrument: str
    sha256: str
    size: int
    start: datetime
    end: datetime
    arrives: datetime | None
    late_min: float
    broken: str
    copy: int


COLUMNS = tuple(field.name for field in fields(Line))


def manifest_text(made: Iterable[Made], never: Iterable[Planned] = (), unmade: Iterable[Sent] = ()) -> str:
    """The rows of files in the order given, then (of a run that ended early) those it did not come to, then those that
    never came, as text."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(_line(item.sent, item)) for item in made)
    writer.writerows(_cells(_line(item)) for item in unmade)
    writer.writerows(_cells(_never(item)) for item in never)
    return stream.getvalue()


def read_manifest(path: Path) -> list[Line]:
    """The rows of a manifest.

    Raises:
        OSError: no such file.
        ValueError: no manifest of ours.
    """
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
        if tuple(head) != COLUMNS:
            raise ValueError(f"{path}: columns {', '.join(head)}, expected {', '.join(COLUMNS)}")
        return [_parsed(row) for row in rows]


def _line(sent: Sent, made: Made | None = None) -> Line:
    planned, late = sent.planned, round(sent.late / timedelta(minutes=1), 2)
    sha256, size, arrived = (made.sha256, made.size, sent.arrives) if made else ("", 0, None)
    return Line(
        sent.path, planned.instrument, sha256, size, planned.start, planned.end, arrived, late, sent.broken, sent.copy
    )  # fmt: skip


def _never(item: Planned) -> Line:
    return Line(item.path, item.instrument, "", 0, item.start, item.end, None, 0.0, "", 0)


def _cells(line: Line) -> list[str]:
    return [_cell(value) for value in astuple(line)]


def _cell(value: str | float | datetime | None) -> str:
    return "" if value is None else iso(value) if isinstance(value, datetime) else str(value)


def _parsed(row: Sequence[str]) -> Line:
    path, instrument, sha256, size, start, end, arrives, late_min, broken, copy = row
    return Line(
        path, instrument, sha256, int(size), parse_time(start), parse_time(end),
        parse_time(arrives) if arrives else None, float(late_min), broken, int(copy),
    )  # fmt: skip

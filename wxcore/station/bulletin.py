"""What SYNOP, METAR and BUFR surface reports share: the GTS envelope, the month that reports do not tell, and gusts
of several periods."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.schema import ELEMENT_NAMES
from wxcore.station.heads import is_foreign
from wxcore.station.reports import CORRECTED, Floats, Reports, revision_of
from wxcore.times import require_utc, to_datetime64

MAX_BYTES = 16 * 2**20
"""Largest file [our choice]: all SYNOP and METAR of the world of an hour are about 2 MB [M]."""

KNOT = 1852 / 3600
"""[m s-1]"""

SLACK = timedelta(hours=1)
"""Reports bear their nominal hour, and are sent up to some ten minutes before it: a report that is this much later
than the reference is of this month, not of the last one [our choice]."""

SHORT_GUST_MIN = 60.0
"""Gusts of periods up to this [min] are worth more to a warning than larger ones of six hours [our choice]."""

METAR_START = r"(?:(METAR|SPECI)\s+)?(?:(COR)\s+)?([A-Z][A-Z0-9]{3})\s+(\d\d)(\d\d)(\d\d)Z(?=\s|=|$)"
"""Begins a METAR or SPECI: word, COR, station, day, hour, minute."""

KINDS = {
    "SYNOP": re.compile(r"(?:^|=)\s*AAXX\s+\d{4}[0-9/]\s[^=]*=?(?:\s*\d{5}\s[^=]*=)*", re.MULTILINE),
    "METAR": re.compile(rf"(?:^|=)\s*{METAR_START}", re.MULTILINE),
    "TEMP": re.compile(r"(?:^|=)\s*(?:TT|PP)(?:AA|BB|CC|DD)\s", re.MULTILINE),
    "BUFR": re.compile(r"\bBUFR\b"),
}
"""Reports of the kinds that come in bulletins; of SYNOP a match is a section with all of its reports."""

_HEADING = re.compile(r"^ *[A-Z]{4}\d{0,2} +[A-Z]{4} +\d{6}(?: +([A-Z]{3}))? *$", re.MULTILINE)
_NAME_TIME = re.compile(r"(?<!\d)((?:19|20)\d{10})(\d\d)?(?!\d)")
_CONTROLS = {code: " " for code in range(32) if code != 10} | {0x7F: " ", 0xA0: " "}


@dataclass(frozen=True)
class Gust:
    """A gust: speed [m s-1], direction [deg] (NaN unknown), the minutes before the report in which it blew; `time`
    where it is told."""

    speed: float
    direction: float
    minutes: float
    time: datetime | None = None


@dataclass
class Row:
    """One report of one station, before the rows of a file become columns. `values`: without the gust."""

    station: str
    time: datetime
    values: dict[str, float] = field(default_factory=dict)
    gusts: list[Gust] = field(default_factory=list)
    lat: float = np.nan
    lon: float = np.nan
    elevation: float = np.nan
    revision: int = 0

    @property
    def says_something(self) -> bool:
        return bool(self.gusts) or any(np.isfinite(value) for value in self.values.values())


@dataclass
class Harvest:
    """What was found in a file: rows, how many were left out and why, how many say nothing, how many are another
    reader's, what is odd."""

    rows: list[Row] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    silent: int = 0
    others: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def add(self, row: Row | str | None) -> None:
        """Add a row, the reason for which it was left out, or None for a report that says nothing (NIL)."""
        if isinstance(row, str):
            self.rejected[row] += 1
        elif row is None or not row.says_something:
            self.silent += 1
        else:
            self.rows.append(row)

    def note_others(self, text: str, mine: str) -> None:
        """Count reports of other kinds than `mine`: a file is read by one reader, which leaves them out."""
        for kind, pattern in KINDS.items():
            found = [match[0] for match in pattern.finditer(text)] if kind != mine else []
            count = sum(max(1, one.count("=", 1)) for one in found) if kind == "SYNOP" else len(found)
            if count:
                self.others[f"reports of another kind ({kind}): split the file"] += count


def clean_text(data: bytes, name: str) -> str:
    """A bulletin as upper-case text, with line feeds as its only control characters; NNNN and ZCZC end a report.

    Raises:
        LimitError: TOO_LARGE.
    """
    check_size(data, name, MAX_BYTES)
    text = data.decode("latin-1").upper().replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)
    return re.sub(r"^ *ZCZC\b.*$|\bNNNN\b", "=", text, flags=re.MULTILINE)


def check_size(data: bytes, name: str, limit: int) -> None:
    """Raises:
    LimitError: TOO_LARGE.
    """
    if len(data) > limit:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{name}: {len(data)} bytes, at most {limit} are read: cut the file into bulletins",
            f"{name}：{len(data)} 字节，上限 {limit}，请按公报拆分文件",
        )


_ENVELOPE = re.compile(
    rb"\s*(?:ZCZC\b.*|NNNN|NIL=?|\d{1,10}(?: \d\d)?|[A-Z]{4}\d{0,2} +[A-Z]{4} +\d{6}(?: +[A-Z]{3})?|[A-Z0-9]{3,6}"
    rb"|\d{4}/\d\d/\d\d \d\d:\d\d)?\s*",
    re.IGNORECASE,
)
_KIND = re.compile(
    rb"\s*(?:(?:AAXX|BBXX|OOXX|METAR|SPECI|TAF)\b|(?:COR )?[A-Z][A-Z0-9]{3}\s+\d{6}Z|(?:TT|PP)[A-D]{2}|\d{5}\s)",
    re.IGNORECASE,
)


def is_bulletin(head: bytes) -> bool:
    """Is the first line that is no envelope (heading, number, ZCZC, a date alone) the beginning of a report? Programs,
    pages, alerts and logs that quote reports are no bulletins."""
    if is_foreign(head):
        return False
    lines = head.translate(None, b"\x00\x01\x02\x03\x1e").splitlines()
    first = next((line for line in lines if _KIND.match(line) or not _ENVELOPE.fullmatch(line)), b"")
    return _KIND.match(first) is not None


def bulletins(text: str) -> Iterator[tuple[int, str]]:
    """(revision, body) of each bulletin: CCA is 1, CCB 2 ...; 0 without BBB or where it is no correction (RRA, AAA)."""
    starts = list(_HEADING.finditer(text))
    yield 0, text[: starts[0].start() if starts else len(text)]
    for at, heading in enumerate(starts):
        group = heading[1] or ""
        revision = CORRECTED + ord(group[2]) - ord("A") if group.startswith("CC") else 0
        end = starts[at + 1].start() if at + 1 < len(starts) else len(text)
        yield revision, text[heading.end() : end]


def newest_date(day: int, hour: int, minute: int, reference: datetime) -> datetime | None:
    """The newest time with this day of the month that is not later than the reference plus SLACK; None: no such.

    Raises:
        TimeError: the reference is naive.
    """
    reference = require_utc(reference)
    limit = reference + SLACK if reference.year < 9999 else reference
    month = limit.year * 12 + limit.month - 1
    for index in range(month, month - 3, -1):
        try:
            time = datetime(index // 12, index % 12 + 1, day, hour, minute, tzinfo=UTC)
        except ValueError:
            continue
        if time <= limit:
            return time
    return None


def time_of_name(name: str) -> datetime | None:
    """The time in a name with 14 or 12 digits, as in A_SMRO01YRBK211200_C_EDZW_20220321120500_12524785.txt."""
    for match in _NAME_TIME.finditer(name):
        try:
            return datetime.strptime(f"{match[1]}{match[2] or '00'}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def reader_by_name(read_dated: Callable[[bytes, str, datetime], Reports]) -> Callable[[bytes, str], Reports]:
    """The `Format.read` that goes with a `read_dated`: it takes the date from the name.

    The reader that is returned raises ReadError(BAD_HEADER) where the name has none.
    """

    def read(data: bytes, name: str) -> Reports:
        reference = time_of_name(name)
        if reference is None:
            raise ReadError(
                Reason.BAD_HEADER,
                f"{name}: its reports tell the day of the month only, and its name has no year and month: "
                "name it ..._YYYYMMDDhhmmss..., or tell when it was sent",
                f"{name}：报文只有日期而无年月，文件名也没有，请在文件名中加入 YYYYMMDDhhmmss 或给出发报时间",
            )
        return read_dated(data, name, reference)

    return read


def _choose_gusts(rows: list[Row]) -> tuple[list[Gust | None], str]:
    """The gust of each row, and a remark: the largest of those of at most SHORT_GUST_MIN or with a time; where it has
    none of them, the largest of three or six hours."""
    chosen = []
    left = []
    for row in rows:
        short = [gust for gust in row.gusts if gust.time is not None or gust.minutes <= SHORT_GUST_MIN]
        one = max(short or row.gusts, key=lambda gust: gust.speed, default=None)
        chosen.append(one)
        left += [gust.speed for gust in row.gusts if one is not None and gust.speed > one.speed]
    remark = f"{len(left)} stations have a larger gust of more than an hour, up to {max(left):.1f} m/s" if left else ""
    return chosen, remark


def _periods(gusts: list[Gust | None]) -> float | Floats:
    """Period of each gust [min], one number where all that have no time have the same."""
    known = {one.minutes for one in gusts if one is not None and one.time is None}
    if len(known) < 2:
        return known.pop() if known else SHORT_GUST_MIN
    return np.array([SHORT_GUST_MIN if one is None else one.minutes for one in gusts], dtype=np.float32)


def assemble(form: str, title: str, name: str, harvest: Harvest) -> Reports:
    """The rows as columns. Of two reports of a station and time the higher revision is kept, then the later one.

    Raises:
        ReadError: EMPTY where nobody reports anything; BAD_VALUE where most reports could not be read.
    """
    why = "; ".join(f"{count} {reason}" for reason, count in harvest.rejected.items())
    if harvest.rejected.total() > len(harvest.rows):
        raise ReadError(
            Reason.BAD_VALUE,
            f"{name}: {title}: {len(harvest.rows)} reports read, {harvest.rejected.total()} not ({why}): fetch again",
            f"{name}：{title}：仅 {len(harvest.rows)} 份报告可读，{harvest.rejected.total()} 份不可读，请重新获取文件",
        )
    newest: dict[tuple[str, datetime], Row] = {}
    for row in harvest.rows:
        before = newest.get((row.station, row.time))
        if before is None or row.revision >= before.revision:
            newest[row.station, row.time] = row
    rows = list(newest.values())
    if not rows:
        raise ReadError(
            Reason.EMPTY,
            f"{name}: {title}: no station reports anything ({harvest.silent} say NIL or only slashes)",
            f"{name}：{title}：没有任何观测（{harvest.silent} 份为 NIL 或全为斜杠）",
        )
    if len(harvest.rows) > len(rows):
        harvest.remarks.append(f"{len(harvest.rows) - len(rows)} reports repeat station and time: the last is taken")
    gusts, remark = _choose_gusts(rows)
    for row, gust in zip(rows, gusts, strict=True):
        if gust is not None:
            row.values |= {"wind_speed_of_gust": gust.speed, "wind_gust_from_direction": gust.direction}
    values = {key: np.array([row.values.get(key, np.nan) for row in rows], dtype=np.float32) for key in ELEMENT_NAMES}
    none = np.datetime64("NaT", "ns")
    return Reports(
        form, title,
        np.array([row.station for row in rows], dtype=np.str_),
        np.array([to_datetime64(row.time) for row in rows]),
        np.array([row.lat for row in rows], dtype=np.float64),
        np.array([row.lon for row in rows], dtype=np.float64),
        np.array([row.elevation for row in rows], dtype=np.float32),
        {key: column for key, column in values.items() if np.isfinite(column).any()},
        np.array([none if one is None or one.time is None else to_datetime64(one.time) for one in gusts]),
        gust_period_min=_periods(gusts),
        revision=revision_of(np.array([row.revision for row in rows])),
        rejected=(*harvest.rejected.items(), *harvest.others.items()),
        remarks=(*harvest.remarks, *([remark] if remark else []),
                 *([f"{harvest.silent} stations report nothing"] if harvest.silent else [])),
    )  # fmt: skip

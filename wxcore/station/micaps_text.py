"""MICAPS text files: title and header, and the words of what follows."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from wxcore import schema
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.station.ids import NO_IDS, with_letter
from wxcore.station.reports import Doubles, Floats
from wxcore.station.sentinels import is_missing
from wxcore.times import BEIJING

MAX_BYTES = 16 * 2**20
"""Largest file [our choice]: the longest real grid has 2 MB, the longest list of stations 0.7 MB."""

MAX_TITLE = 1000
"""Longest first line [characters, our choice]: real ones have up to 60."""

CENTURY_TURNS = 90
"""Two-digit years from here on are of 1900, the others of 2000 [our choice]: the manual's example says 99 for 1999."""

LIST_YEAR = 2099
"""Year by which the station lists of meteva say that they are no observation [V]."""

NAME = re.compile(r"^\d{8}(?:\d{2}|\d{6})?\.\d{3}$")
"""Operational names: yymmddHH, yymmddHHMM (automatic stations) or yyyymmddHHMMSS of Beijing, lead time [h] behind the
dot. No group `t`: a name of Beijing time."""

_FIRST = re.compile(r"diamond[ \t]*(\d{1,2})(?!\d)")
_EMPTY_LINES = re.compile(r"\n{2,}")
GLUED = re.compile(r"(?<=[\d.])-(?=[\d.])")
NUMBER = re.compile(r"[-+]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][-+]?\d{1,3})?")
ID = re.compile(r"[A-Za-z0-9]{1,12}")
MARK = f"{schema.SIMULATED_ATTRIBUTE}={schema.SIMULATED_MARK}"


def recogniser(diamond: int) -> Callable[[bytes], bool]:
    """`Format.recognise` of one diamond."""
    pattern = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,80}diamond[ \t]*%d(?!\d)" % diamond)
    return lambda head: pattern.match(head) is not None


class Text:
    """A MICAPS file while it is read: title, then numbers of the header, then rows.

    Raises:
        ReadError: BAD_HEADER where it does not begin as one; LimitError: TOO_LARGE.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        if len(data) > MAX_BYTES:
            raise LimitError(
                Reason.TOO_LARGE,
                f"{name}: MICAPS: {len(data)} bytes, at most {MAX_BYTES} are read",
                f"{name}：MICAPS 文件 {len(data)} 字节，上限 {MAX_BYTES}",
            )
        text = _EMPTY_LINES.sub("\n", _decode(data).lstrip().replace("\r", "\n"))
        first, *self._lines = text.split("\n")
        match = _FIRST.match(first)
        if match is None or len(first) > MAX_TITLE:
            raise self.bad_header("first line", repr(first[:40]), "diamond, a number and a title")
        self.diamond = int(match[1])
        self.simulated = MARK in first
        self.title = first[match.end() :].replace(MARK, "").strip()
        self._tokens: list[str] = []
        self._at = 0
        self.ends_in_line = bool(self._lines) and bool(self._lines[-1].strip(" \t\0\x1a"))

    def bad_header(self, what: str, found: str, expected: str) -> ReadError:
        return ReadError(
            Reason.BAD_HEADER,
            f"{self.name}: MICAPS {what}: {found}, expected {expected}: fetch it again",
            f"{self.name}：MICAPS 文件头 {what} 为 {found}，应为 {expected}，请重新获取文件",
        )

    def _fill(self, count: int) -> None:
        while len(self._tokens) < count and self._at < len(self._lines):
            self._tokens += GLUED.sub(" -", self._lines[self._at]).split()
            self._at += 1

    def take(self, count: int, what: str) -> list[str]:
        """The next words of the header."""
        self._fill(count)
        if len(self._tokens) < count:
            raise self.bad_header(what, "the file's end", f"{count} numbers")
        taken, self._tokens = self._tokens[:count], self._tokens[count:]
        return taken

    def number(self, what: str, low: float = -1e9, high: float = 1e9) -> float:
        """The next number of the header, within its limits."""
        (word,) = self.take(1, what)
        value = float(word) if NUMBER.fullmatch(word) else np.nan
        if not low <= value <= high:
            raise self.bad_header(what, repr(word[:20]), f"a number of {low:g} to {high:g}")
        return value

    def count(self, what: str, high: int, low: int = 0) -> int:
        """The next number, which must be whole."""
        value = self.number(what, low, high)
        if value != int(value):
            raise self.bad_header(what, f"{value:g}", "a whole number")
        return int(value)

    def clock(self) -> datetime:
        """Year, month, day and hour of Beijing, in UTC: behind the title, or at its end where all is on one line.

        Some grids have lead time and hour in the wrong order (known to nmc_met_io): an hour over 24 tells.
        """
        self._fill(5)
        words = self.title.split()
        starts = [i for i in range(len(words)) if all(NUMBER.fullmatch(word) for word in words[i:])]
        for found, title in ((self._tokens, words), *((words[i:] + self._tokens, words[:i]) for i in starts)):
            swapped = self.diamond in (4, 11) and len(found) > 4 and found[3].isdecimal() and int(found[3][:9]) > 24
            tokens = [*found[:3], found[4], found[3], *found[5:]] if swapped else found
            when = _when(tokens[:4])
            if when is not None:
                self._tokens, self.title = tokens[4:], " ".join(title)
                return when
        raise self.bad_header("date", repr(" ".join(self._tokens[:4])[:40]), "year, month, day and hour")

    def observed(self) -> tuple[datetime, tuple[str, ...]]:
        """The clock, with the minutes that only a name has (yymmddHHMM.000), and what the name says otherwise."""
        when = self.clock()
        local = when.astimezone(BEIJING)
        digits = self.name.split(".")[0] if NAME.match(self.name) else ""
        hours = (f"{local:%y%m%d%H}", f"{local:%Y%m%d%H}")
        for hour in hours:
            rest = digits[len(hour) :]
            if digits.startswith(hour) and len(rest) in (0, 2, 4):
                minutes = int(rest[:2] or 0)
                if minutes > 59:
                    break
                remarks = (f"minutes :{minutes:02d} are the name's, the header has none",) if minutes else ()
                return when + timedelta(minutes=minutes), remarks
        return when, (f"name says {digits}, header {hours[1]} Beijing time",) if digits else ()

    def lines(self) -> Iterator[str]:
        """What follows the header, line by line."""
        if self._tokens:
            yield " ".join(self._tokens)
        yield from self._lines[self._at :]


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gbk", errors="replace")  # no digit, blank or line end is a second byte of GBK


def _when(words: Sequence[str]) -> datetime | None:
    """Words of Beijing's clock to UTC; None where they are no time. Hour 24 is the next day's 0."""
    if len(words) < 4 or not all(word.isascii() and word.isdecimal() and len(word) < 5 for word in words):
        return None
    year, month, day, hour = (int(word) for word in words)
    if len(words[0]) < 3:
        year += 1900 if year >= CENTURY_TURNS else 2000
    if not 1900 <= year <= LIST_YEAR or hour > 24:
        return None
    try:
        return (datetime(year, month, day, tzinfo=BEIJING) + timedelta(hours=hour)).astimezone(UTC)
    except ValueError:
        return None


def floats(words: Sequence[str]) -> Doubles:
    """Words to numbers; NaN where a word is none."""
    try:
        if "_" in "".join(words):  # Python reads 1_0 as ten
            raise ValueError
        return np.array(list(map(float, words)), dtype=np.float64)
    except ValueError:
        return np.array([_float(word) for word in words], dtype=np.float64)


def _float(word: str) -> float:
    try:
        return np.nan if "_" in word else float(word)
    except ValueError:
        return np.nan


def clear(values: Doubles) -> Floats:
    """Numbers as f4, NaN where they are sentinels (9999 here, others that were passed on) or do not fit."""
    with np.errstate(over="ignore"):
        small = values.astype(np.float32)
    return np.where(is_missing(small) | ~np.isfinite(small), np.float32(np.nan), small)


def station_id(word: str) -> str:
    """WMO numbers with their zeros (86 -> 00086), numbers of regional stations with their letter (658290 -> A8290);
    "" where it is no id."""
    if ID.fullmatch(word) is None or word.upper() in NO_IDS:
        return ""
    return with_letter(word.zfill(5) if word.isdecimal() else word.upper())

"""Regional FTM text: five lines a station, one file of a centre with thousands of stations or of one station.

    O3246 360302 1142339 00640 00648 4 000          id, lat DDMMSS, lon DDDMMSS, height and barometer [0.1 m], mode, BBB
    20171226151000 249 004 ... 10308 ///// ///// ////        time UTC and 51 values
    0000...////                                      60 minutes of the running hour, 2 characters each [0.1 mm]
    /// /// /// /// //// //////////////////////// /// //// ...        23 groups of weather and cloud, by hand
    QC 0000... 0000...=                              one character a value, one a minute

Positions of all values [V: DecodeREG's sample and its entity SurfaceObservationDataReg 2.1-2.52]: with the time as 0,
sea level pressure is 48 (47 of the 51 that follow it). Group 7 of line 4 is present weather: the entity says two digits
(ww), the sample has four slashes, so only two digits are read. Hail (939nn) is of six hours, not of the report: unread.
Blocks that look like most are cut out all at once; the others one by one.
"""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK
from wxcore.station.ftm_fields import (
    CLOCK,
    FIELDS,
    ID,
    MARK,
    NAME,
    NO_VERDICTS,
    NUMBERS,
    RAIN,
    RECORD_BYTES,
    TOKEN,
    VERDICTS,
    Bytes,
    Ints,
    plain_lines,
    record,
    reports_of,
)  # fmt: skip
from wxcore.station.ftm_write import FLAGS_AT, HEADER_TOKENS, PLACES, VALUE_TOKENS, write_ftm
from wxcore.station.heads import is_foreign
from wxcore.station.reports import Reports, describe

TITLE = "FTM regional"
BLOCK = 5
MIN_LINES = (20, 120)
"""Shortest first and second line of a block [our choice]: shorter ones do not hold its tokens."""

AT_ONCE = 4096
"""Blocks that are cut out together: what a cache holds [our choice]."""

NOT_A_BLOCK, NOT_ITS_FIELDS = "block not of 5 lines", "first or second line not of its 7 or 52 fields"

_SIMULATED_LINE = f"# {SIMULATED_ATTRIBUTE}={SIMULATED_MARK}".encode()
_HEAD = re.compile(
    rb"^(?:\xef\xbb\xbf)?[A-Za-z0-9]{5,6} [-\d./]{5,9} [-\d./]{6,10} [-\d/]{4,6} [-\d/]{4,6} \S [A-Z0-9/]{3} {0,3}\r?\n"
    rb"\d{14}(?: [-\d/,PC]{2,6}){45,55} {0,3}\r?\n",
    re.MULTILINE | re.IGNORECASE,
)


def read_ftm(data: bytes, name: str) -> Reports:
    """Reports of a regional FTM text, in the file's order but corrected rows (BBB) last.

    Args:
        data: the whole file, uncompressed; name: its base name, which tells centre, correction and `_PQC`.

    Returns:
        (n,) columns in the units of schema.ELEMENTS; minute_rain (n, 60) [mm]; times UTC.

    Raises:
        ReadError: EMPTY; BAD_VALUE where fewer blocks are read than left out.
        LimitError: TOO_LARGE.
    """
    text = _cut(plain_lines(data, name, TITLE))
    rejected: dict[str, int] = {}
    heads = _heads(text, rejected)
    records = np.full((heads.size, RECORD_BYTES), 32, np.uint8)
    parts = [slice(at, at + AT_ONCE) for at in range(0, heads.size, AT_ONCE)]
    quick = np.concatenate([np.zeros(0, bool), *(_quick(text, heads[part], records[part]) for part in parts)])
    slow = np.flatnonzero(~quick)
    cut = [_slow(text, int(head)) for head in heads[slow]]
    whole = np.array([one is not None for one in cut], dtype=bool)
    if slow.size:
        kept = b"".join(one for one in cut if one is not None)
        records[slow[whole]] = np.frombuffer(kept, np.uint8).reshape(-1, RECORD_BYTES)
        if not whole.all():
            rejected[NOT_ITS_FIELDS] = int((~whole).sum())
            records = np.delete(records, slow[~whole], axis=0)
    return reports_of(records, FORMAT.name, name, rejected, simulated=text.simulated, thousand=False)


@dataclass(frozen=True)
class _Text:
    """Lines that are neither empty, nor a comment, nor the end mark."""

    data: bytes
    codes: Bytes
    starts: Ints
    lengths: Ints
    simulated: bool

    def line(self, number: int) -> bytes:
        start = int(self.starts[number])
        return self.data[start : start + int(self.lengths[number])]


def _cut(data: bytes) -> _Text:
    if not data.endswith(b"\n"):
        data += b"\n"
    codes = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(codes == 10)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts
    first = codes[starts]
    blank = (lengths == 0) | (first == ord("#")) | ((lengths < 8) & (first <= 32))
    ended = (lengths >= 4) & (lengths < 8) & (first == ord("N"))
    for number in np.flatnonzero(ended):
        start = int(starts[number])
        blank[number] |= data[start : start + int(lengths[number])].strip() == b"NNNN"
    return _Text(data, codes, starts[~blank], lengths[~blank], data.startswith(_SIMULATED_LINE))


def _heads(text: _Text, rejected: dict[str, int]) -> Ints:
    """Number of the first line of every block of five lines; whatever lies between is counted as one each."""
    at, size = text.starts, text.lengths
    last = np.flatnonzero((size >= 2) & (text.codes[at] == ord("Q")))
    last = last[text.codes[at[last] + 1] == ord("C")]
    sizes = np.diff(last, prepend=-1)
    heads = last[sizes >= BLOCK] - (BLOCK - 1)
    long = (size[heads] >= MIN_LINES[0]) & (size[heads + 1] >= MIN_LINES[1])
    left = int((sizes != BLOCK).sum()) + int((~long).sum())
    if size.size and (not last.size or last[-1] < size.size - 1):
        left += 1
    if left:
        rejected[NOT_A_BLOCK] = left
    return np.asarray(heads[long])


def _quick(text: _Text, heads: Ints, records: Bytes) -> npt.NDArray[np.bool_]:
    """Fill the records of all blocks whose lines are as long, and cut at the same places, as those of most blocks."""
    done = np.zeros(heads.size, dtype=bool)
    lengths = np.minimum(text.lengths[heads[:, None] + np.arange(BLOCK)], 4095)
    key = lengths @ (4096 ** np.arange(BLOCK))
    kinds, first, count = np.unique(key, return_index=True, return_counts=True)
    usual = int(first[count.argmax()])
    lines = [text.line(int(heads[usual]) + at) for at in range(BLOCK)]
    if not _regular(lines):
        return done
    rows = np.flatnonzero(key == kinds[count.argmax()])
    at = text.starts[heads[rows][:, None] + np.arange(BLOCK)]
    begins = np.concatenate(([0], np.cumsum([len(line) + 1 for line in lines])))
    rows = rows[(at - at[:, :1] == begins[:-1]).all(axis=1)]
    size = int(begins[-1])
    joined = b"".join([text.data[start : start + size] for start in text.starts[heads[rows]].tolist()])
    grid = np.frombuffer(joined, np.uint8).reshape(-1, size)
    gaps = np.flatnonzero(np.frombuffer(b"\n".join(lines), np.uint8) == 32)
    same = (grid[:, gaps] == 32).all(axis=1)
    if not same.all():
        rows, grid = rows[same], grid[same]
    cut = np.full((rows.size, RECORD_BYTES), 32, np.uint8)

    def fill(into: slice, line: int, token: int) -> None:
        tokens = lines[line].split(b" ")
        start = int(begins[line]) + sum(len(before) + 1 for before in tokens[:token])
        width = len(tokens[token])
        cut[:, into.stop - width : into.stop] = grid[:, start : start + width]

    for into, line, token in ((ID, 0, 0), (MARK, 0, 6), (CLOCK, 1, 0), (RAIN, 2, 0)):
        fill(into, line, token)
    for number, field in enumerate(FIELDS):
        stop = NUMBERS.start + (number + 1) * TOKEN
        fill(slice(stop - TOKEN, stop), *PLACES[field])
    flags = int(begins[4]) + 3 + np.array(FLAGS_AT)
    cut[:, VERDICTS.start : VERDICTS.start + flags.size] = grid[:, flags]
    records[rows], done[rows] = cut, True
    return done


def _regular(lines: list[bytes]) -> bool:
    """Have the lines of a block the tokens, and these the widths, that can be cut out at fixed places?"""
    tokens = [line.split(b" ") for line in lines]
    fits = all(len(tokens[line][token]) <= TOKEN for line, token in PLACES.values() if token < len(tokens[line]))
    return (
        fits
        and len(tokens[0]) == HEADER_TOKENS
        and len(tokens[0][0]) <= TOKEN
        and len(tokens[0][6]) == 3
        and len(tokens[1]) == VALUE_TOKENS
        and len(tokens[1][0]) == 14
        and [len(token) for token in tokens[2]] == [120]
        and len(tokens[3]) > PLACES["present_weather"][1]
        and len(tokens[4]) >= 2
        and len(tokens[4][1].rstrip(b"=")) == VALUE_TOKENS - 1
    )


def _slow(text: _Text, head: int) -> bytes | None:
    """The record of one block; None where its first two lines have not their tokens."""
    header, values, rain, weather, flags = (text.line(head + at).split() for at in range(BLOCK))
    if len(header) != HEADER_TOKENS or len(values) != VALUE_TOKENS:
        return None
    tokens = (header, values, rain, weather)
    cut = {name: tokens[line][token] for name, (line, token) in PLACES.items() if token < len(tokens[line])}
    judged = flags[1].rstrip(b"=") if len(flags) > 1 else b""
    verdicts = bytes(judged[at] for at in FLAGS_AT) + b"9" if len(judged) == VALUE_TOKENS - 1 else NO_VERDICTS
    return record(header[0], values[0], header[6], cut, rain[0] if len(rain) == 1 else b"", verdicts)


def recognise_ftm(head: bytes) -> bool:
    """Are there a first and a second line of a block?"""
    return _HEAD.search(head) is not None and not is_foreign(head)


FORMAT = schema.Format(
    name="ftm-regional",
    title_en="FTM station text, regional (5 lines)",
    title_zh="区域自动站 FTM 文本（5 行）",
    recognise=recognise_ftm,
    name_pattern=NAME,
    read=read_ftm,
    describe=describe,
    write=write_ftm,
    in_child=True,
)

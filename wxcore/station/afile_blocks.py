"""The text of a CMA monthly A-file as blocks, segments, days and words; no meaning yet.

A file is a line of station parameters, blocks of observations until `??????`, blocks of quality codes (QPC for PC ...)
until `******`, and texts until `######`. A block is a line with its letter and mode, then segments that end with `=`;
the days of a segment end with `.` or, where one line is a day, with the line. `C=` is a block without anything.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from wxcore.errors import LimitError, ReadError, Reason

MAX_BYTES = 4 * 2**20
"""Largest file [our choice]: real months have 150 kB."""

END_OF_DATA, END_OF_QUALITY = "??????", "******"

Days = list[list[str]]
"""Words of each day of a segment; no word where the file has none."""

HEADER = re.compile(
    r"(?P<id>[A-Z0-9]{5}) +(?P<lat>\d{4}(?:\d\d)?)(?P<ns>[NS]) +(?P<lon>\d{5}(?:\d\d)?)(?P<ew>[EW]) +"
    r"(?P<elevation>[-\d/]{6}) +(?P<barometer>[-\d/]{6}) +[-\d/]{3} +[-\d/]{3} +\S{1,4} +[019]{20} +\d +"
    r"(?P<year>\d{4}) +(?P<month>\d\d)\s*"
)
"""id, lat (DDMM or DDMMSS), lon, elevation and barometer [0.1 m; the first digit tells measured 0 or estimated 1],
height of the wind sensor and of its platform, mode of observation, a digit an element (9 not observed), quality, year,
month."""

_BLOCK = re.compile(r"(Q?[A-Z][A-Z0-9]?)(=?)")


@dataclass(frozen=True)
class Blocks:
    """What a file says: named groups of HEADER, and segments by block (PC, TB ... QPC, QTB ...)."""

    header: Mapping[str, str]
    segments: Mapping[str, list[Days]]


def read_blocks(data: bytes, name: str) -> Blocks:
    """Cut a file into blocks.

    Raises:
        ReadError: BAD_HEADER where the first line is not that of an A-file, TRUNCATED where the end of the observations
            is missing.
        LimitError: TOO_LARGE.
    """
    if len(data) > MAX_BYTES:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{name}: A-file: {len(data)} bytes, at most {MAX_BYTES} are read: a file is one station's month",
            f"{name}：A 文件：{len(data)} 字节，上限 {MAX_BYTES}，每个文件应为一站一月",
        )
    lines = data.decode("gbk", errors="replace").split("\n")
    header = HEADER.fullmatch(lines[0].strip())
    if header is None or not 1 <= int(header["month"]) <= 12 or not 1950 <= int(header["year"]) <= 2199:
        _refuse(name, lines[0][:80])
    segments: dict[str, list[Days]] = {}
    block, started, ended = "", False, False
    for line in (text.strip() for text in lines[1:]):
        match = _BLOCK.fullmatch(line)
        if line in {END_OF_QUALITY, "######"}:
            break
        if line == END_OF_DATA:
            ended, block = True, ""
        elif match is not None and match[1].startswith("Q") == ended:
            block, started = match[1], False
            segments[block] = []
        elif block and line:
            started = _lay(segments[block], line, started=started)
    if not ended:
        raise ReadError(
            Reason.TRUNCATED,
            f"{name}: A-file: no line {END_OF_DATA} after the observations, it ends in block {block}: fetch it again",
            f"{name}：A 文件：缺少观测数据结束符 {END_OF_DATA}，止于 {block} 段，请重新获取",
        )
    return Blocks(header.groupdict(), {key: [_days(one) for one in found] for key, found in segments.items()})


def _lay(segments: list[Days], line: str, *, started: bool) -> bool:
    """Put a line's words, and a last word for a stop, to its segment; is the segment still open?"""
    if not started:
        segments.append([])
    closed = line.endswith("=")
    stop = closed or line.endswith(".")
    words = (line[:-1] if stop else line).split()
    segments[-1].append([*words, "."] if stop else words)
    return not closed


def _days(lines: Days) -> Days:
    """Lines to days: by stops where there are any but the last one's, else a line is a day."""
    bare = [[word for word in line if word != "."] for line in lines]
    if sum("." in line for line in lines) <= 1:
        return [words for words in bare if words]
    days: Days = [[]]
    for words, line in zip(bare, lines, strict=True):
        days[-1] = days[-1] + words
        if "." in line:
            days.append([])
    return days if days[-1] else days[:-1]


def _refuse(name: str, line: str) -> NoReturn:
    raise ReadError(
        Reason.BAD_HEADER,
        f"{name}: A-file: the first line is {line!r}, expected station, DDMMN, DDDMME, heights, year and month",
        f"{name}：A 文件：首行为 {line!r}，应为站号、纬度、经度、高度、年、月等台站参数",
        offset=0,
    )

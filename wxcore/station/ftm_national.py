"""National FTM text: fifteen lines a station, of before BUFR, temperatures as 1000 - 10 T.

    58015 20131111072000 342700 1162000 00442 00454 4 199 000      id, time UTC, lat, lon, heights, mode, levels, BBB
    PP 10215 ///// ... / TH 0856 0853 0704 ... / RE / WI / DT / VV / CW / SP / MR minutes / MW / QC / Q1 / Q2 / Q3 ...=

Lines are found by their first token, so the order of a block's lines does not matter. Positions [V: DecodeBABJ, which
names every token, and two reports: 58015 of 2013-11-11 07:20, where vapour pressure, humidity and dew point agree, and
54902]: PP 1 station, 2 sea level; TH 1 T, 9 Td, 10 RH; RE 1 hour's rain; WI 1-4 mean winds, 10-12 gust; CW 8 ww; MR 60
minutes. Q1, Q2, Q3 are the verdicts of station, province and nation [V: their widths, and the header's digits, 1 done
and 9 not; the order is assumed]; the last level that has one is taken. Hail (SP 10) is of six hours and not of the
report: unread.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np

from wxcore import schema
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK
from wxcore.station.ftm_fields import (
    JUDGED,
    NAME,
    RECORD_BYTES,
    plain_lines,
    record,
    reports_of,
)  # fmt: skip
from wxcore.station.heads import is_foreign
from wxcore.station.reports import Reports, describe

TITLE = "FTM national"
HEADER_TOKENS = 9
NOT_ITS_LINES = "report without its PP, TH or WI line"
NO_HEADER = "lines without a header before them"

PLACES: dict[str, tuple[str, int]] = {
    "air_pressure": ("PP", 1), "air_pressure_at_mean_sea_level": ("PP", 2),
    "air_temperature": ("TH", 1), "dew_point_temperature": ("TH", 9), "relative_humidity": ("TH", 10),
    "precipitation_1h": ("RE", 1),
    "wind_from_direction": ("WI", 1), "wind_speed": ("WI", 2),
    "wind_from_direction_10min": ("WI", 3), "wind_speed_10min": ("WI", 4),
    "wind_gust_from_direction": ("WI", 10), "wind_speed_of_gust": ("WI", 11), "gust_time": ("WI", 12),
    "present_weather": ("CW", 8),
}  # fmt: skip
"""Field -> line and token, the line's name being token 0 [V]."""

WIDTHS = {"PP": 8, "TH": 13, "RE": 8, "WI": 16, "DT": 19, "VV": 4, "CW": 12, "SP": 10}
"""Tokens of each line, which is also the width of its group in Q1, Q2 and Q3, in their order [V]."""

_SIMULATED_LINE = f"# {SIMULATED_ATTRIBUTE}={SIMULATED_MARK}".encode()
_HEADER = (
    rb"[A-Za-z0-9]{5,6} [-\d/]{12,15} [-\d./]{5,9} [-\d./]{6,10} [-\d/]{4,6} [-\d/]{4,6} \S [\d/]{3} [A-Za-z0-9/]{3}"
)
_HEAD = re.compile(rb"^(?:\xef\xbb\xbf)?" + _HEADER + rb" {0,3}\r?\nPP (?:[-\d/]{4,5} ?){4,8} {0,3}\r?\n", re.MULTILINE)
_IS_HEADER = re.compile(_HEADER + rb" *")


def read_ftm_national(data: bytes, name: str) -> Reports:
    """Reports of a national FTM text, in the file's order but corrected rows (BBB) last.

    Args and returns as of ftm.read_ftm.

    Raises:
        ReadError: EMPTY; BAD_VALUE where fewer reports are read than left out.
        LimitError: TOO_LARGE.
    """
    data = plain_lines(data, name, TITLE)
    rejected: dict[str, int] = {}
    records = []
    for header, lines in _blocks(data.splitlines(), rejected):
        if not {"PP", "TH", "WI"} <= lines.keys():
            rejected[NOT_ITS_LINES] = rejected.get(NOT_ITS_LINES, 0) + 1
            continue
        records.append(_record(header, lines))
    rows = np.frombuffer(b"".join(records), np.uint8).reshape(-1, RECORD_BYTES)
    simulated = data.startswith(_SIMULATED_LINE)
    return reports_of(rows, FORMAT.name, name, rejected, simulated=simulated, thousand=True)


_Lines = Mapping[str, list[bytes]]


def _blocks(text: list[bytes], rejected: dict[str, int]) -> Iterator[tuple[list[bytes], _Lines]]:
    """Tokens of every header, and of the lines that follow it by their names (the first of a name counts)."""
    header: list[bytes] | None = None
    lines: dict[str, list[bytes]] = {}
    lost = False
    for line in text:
        if not line.strip() or line.startswith(b"#") or line.strip() == b"NNNN":
            continue
        if _IS_HEADER.fullmatch(line):
            if header is not None:
                yield header, lines
            header, lines = line.split(), {}
        elif header is None:
            lost = True
        else:
            tokens = line.split()
            lines.setdefault(tokens[0].decode("latin-1"), tokens)
    if lost:
        rejected[NO_HEADER] = 1
    if header is not None:
        yield header, lines


def _record(header: list[bytes], lines: _Lines) -> bytes:
    tokens = {"lat": header[2], "lon": header[3], "elevation": header[4]}
    for field, (line, at) in PLACES.items():
        if len(lines.get(line, ())) == WIDTHS[line] + 1:  # a line of another length is not understood
            tokens[field] = lines[line][at]
    minutes = lines.get("MR", [b"", b""])
    rain = minutes[1] if len(minutes) == 2 else b""
    return record(header[0], header[1], header[8], tokens, rain, _verdicts(lines))


def _verdicts(lines: _Lines) -> bytes:
    """One character for each of JUDGED: that of the last level that says 0, 1 or 2."""
    found = dict.fromkeys(JUDGED, b"9")
    for level in ("Q1", "Q2", "Q3"):
        groups = dict(zip(WIDTHS, lines.get(level, [])[1:], strict=False))
        for field in JUDGED:
            line, at = PLACES[field]
            group = groups.get(line, b"")
            if len(group) == WIDTHS[line] and group[at - 1 : at] in (b"0", b"1", b"2"):
                found[field] = group[at - 1 : at]
    return b"".join(found.values())


def recognise_ftm_national(head: bytes) -> bool:
    """Is there a header with a line PP after it?"""
    return _HEAD.search(head) is not None and not is_foreign(head)


FORMAT = schema.Format(
    name="ftm-national",
    title_en="FTM station text, national (15 lines)",
    title_zh="国家级自动站 FTM 文本（15 行）",
    recognise=recognise_ftm_national,
    name_pattern=NAME,
    read=read_ftm_national,
    describe=describe,
    in_child=True,
)

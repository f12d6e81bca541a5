"""Soundings as text lists of the University of Wyoming, which everybody calls sounding text.

    57516 Chongqing Observations at 12Z 12 Jun 2020
    -----------------------------------------------------------------------------
       PRES   HGHT   TEMP   DWPT   RELH   MIXR   DRCT   SKNT   THTA   THTE   THTV
        hPa     m      C      C      %    g/kg    deg   knot     K      K      K

Columns are seven characters wide, right-aligned, blank where missing; the wind is in knots (SKNT) or m/s (SPED). Below
the list stand station latitude, longitude and elevation. Pages as saved from a browser (HTML) are read likewise, and
those of 2025 and later ("Observations for Station 57516 at 12 UTC 12 Jun 2026", wind in m/s), whose title and position
are known from public readers only.
"""

import re
from datetime import datetime

import numpy as np

from wxcore import schema
from wxcore.environment.build import KNOT_M_S, Level, Place, wind
from wxcore.environment.profile import Profile, Soundings
from wxcore.environment.texts import SIMULATED_LINE, Found, clock, decode, describe, is_simulated

TITLE = "University of Wyoming sounding text"
WIDTH = 7
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TITLE_LINE = re.compile(
    r"^(?:<[^>\n]{1,20}>){0,5}[ \t]{0,9}(?:(?P<station>\d{5})(?:[ \t]{1,9}[^\n<]{0,60}?)?[ \t]{1,9}Observations at"
    r"[ \t]{1,9}(?P<hour>\d{2})Z|Observations for Station (?P<station_2025>\d{5}) at (?P<hour_2025>\d{1,2}) ?UTC)"
    r"[ \t]{1,9}(?P<day>\d{1,2})[ \t]{1,9}(?P<month>[A-Z][a-z]{2})[ \t]{1,9}(?P<year>\d{4})",
    re.MULTILINE,
)
"""The title as it was to 2025, and as the new pages have it."""

_COLUMNS = re.compile(r"^[ ]{1,6}PRES[ ]+HGHT[ ]+TEMP[ ]+DWPT[^\n]*$", re.MULTILINE)
_PLACES = {
    key: re.compile(rf"(?:Station )?{key}:[ \t]{{0,9}}(-?\d{{1,5}}(?:\.\d{{0,6}})?)", re.IGNORECASE)
    for key in ("latitude", "longitude")
}
_HEAD = re.compile(
    rb"(?:\d{5}[^\n]{0,70}Observations at[ \t]{1,9}\d{2}Z|Observations for Station \d{5} at \d{1,2} ?UTC)[ \t]{1,9}"
    rb"\d{1,2}[ \t]{1,9}[A-Z][a-z]{2}[ \t]{1,9}\d{4}.{0,600}?PRES[ ]+HGHT[ ]+TEMP[ ]+DWPT",
    re.DOTALL,
)
BAD_CLOCK, NO_TABLE = "impossible date", "no table of levels"


def read_wyoming(data: bytes, name: str) -> Soundings:
    """All soundings of a file.

    Raises:
        ReadError: BAD_VALUE where none, or less than half of them, can be used.
        LimitError: TOO_LARGE.
    """
    text = decode(data, name, TITLE).replace("\r", "")
    titles = list(_TITLE_LINE.finditer(text))
    found = Found()
    for index, title in enumerate(titles):
        end = titles[index + 1].start() if index + 1 < len(titles) else len(text)
        block = text[title.end() : end]
        month = _MONTHS.index(title["month"]) + 1 if title["month"] in _MONTHS else 0
        hour, station = title["hour"] or title["hour_2025"], title["station"] or title["station_2025"]
        when = clock(int(title["year"]), month, int(title["day"]), int(hour))
        columns = _COLUMNS.search(block)
        if when is None or columns is None:
            found.rejected[BAD_CLOCK if when is None else NO_TABLE] += 1
            continue
        lat, lon = (_number(pattern.search(block)) for pattern in _PLACES.values())
        inside = -90 <= lat <= 90 and -180 <= lon <= 360
        place = Place(when, lat if inside else np.nan, lon if inside else np.nan, station)
        found.add(_levels(columns[0], block[columns.end() :]), place)
    return found.soundings(FORMAT.name, TITLE, name, simulated=is_simulated(text))


def _number(match: re.Match[str] | None) -> float:
    return np.nan if match is None else float(match[1])


def _levels(header: str, body: str) -> list[Level]:
    names = [header[start : start + WIDTH].strip() for start in range(0, len(header), WIDTH)]
    units = body.lstrip("\n").split("\n", 1)[0]
    scale = KNOT_M_S if "SKNT" in names or "knot" in units else 1.0
    names = ["SPEED" if name in {"SKNT", "SPED"} else name for name in names]
    levels: list[Level] = []
    for line in body.split("\n"):
        if levels and not line.strip():
            break
        cells = [_value(line[start : start + WIDTH]) for start in range(0, len(names) * WIDTH, WIDTH)]
        row = dict(zip(names, cells, strict=True))
        if np.isnan(row.get("PRES", np.nan)):
            if levels:
                break
            continue
        u, v = wind(row.get("DRCT", np.nan), row.get("SPEED", np.nan) * scale)
        levels.append(
            Level(row["PRES"], row.get("HGHT", np.nan), row.get("TEMP", np.nan), row.get("DWPT", np.nan), u, v)
        )
    return levels


def _value(cell: str) -> float:
    cell = cell.strip()
    value = float(cell) if re.fullmatch(r"-?\d{1,6}(?:\.\d{0,4})?", cell) else np.nan
    return np.nan if value in {9999.0, -9999.0, 99999.0, -99999.0} else value


def write_wyoming(native: Soundings) -> bytes:
    """Soundings as the same text: pressure and temperatures to 0.1, heights to 1 m, wind to 1 degree and 1 knot."""
    blocks = [SIMULATED_LINE + "\n"] if native.simulated else []
    blocks += [_block(profile) for profile in native.profiles]
    return "\n".join(blocks).encode()


def _block(profile: Profile) -> str:
    rule = "-" * 77
    names = ("PRES", "HGHT", "TEMP", "DWPT", "RELH", "MIXR", "DRCT", "SKNT", "THTA", "THTE", "THTV")
    units = ("hPa", "m", "C", "C", "%", "g/kg", "deg", "knot", "K", "K", "K")
    lines = [
        f"{profile.place} Observations at {_title_time(profile.time)}", "", rule,
        "".join(f"{name:>{WIDTH}}" for name in names), "".join(f"{unit:>{WIDTH}}" for unit in units), rule,
    ]  # fmt: skip
    speed = np.hypot(profile.u, profile.v) / KNOT_M_S
    direction = np.rad2deg(np.arctan2(-profile.u, -profile.v)) % 360
    for row in zip(
        profile.pressure, profile.height, profile.temperature, profile.dew_point, direction, speed, strict=True
    ):
        pressure, height, temperature, dew_point = (
            _cell(value, places) for value, places in zip(row[:4], (1, 0, 1, 1), strict=True)
        )
        lines.append(f"{pressure}{height}{temperature}{dew_point}{'':14}{_cell(row[4], 0)}{_cell(row[5], 0)}".rstrip())
    lines += ["", "Station information and sounding indices", "", f"{'Station number':>43}: {profile.place}"]
    lines += [f"{'Station latitude':>43}: {profile.lat:.2f}", f"{'Station longitude':>43}: {profile.lon:.2f}", ""]
    return "\n".join(lines)


def _title_time(time: datetime) -> str:
    return f"{time.hour:02d}Z {time.day:02d} {_MONTHS[time.month - 1]} {time.year}"


def _cell(value: float, places: int) -> str:
    return " " * WIDTH if np.isnan(value) else f"{value:{WIDTH}.{places}f}"


def recognise_wyoming(head: bytes) -> bool:
    """Is there a title line with a table's header after it?"""
    return _HEAD.search(head) is not None


FORMAT = schema.Format(
    name="sounding-wyoming",
    title_en="Sounding text (University of Wyoming list)",
    title_zh="探空文本（怀俄明大学格式）",
    recognise=recognise_wyoming,
    name_pattern=re.compile(
        r"(?:sounding|wyoming|upperair)[^/]*\.(?:txt|html?)$|^\d{5}[._-]\d{10}\.txt$", re.IGNORECASE
    ),
    read=read_wyoming,
    describe=describe,
    write=write_wyoming,
)

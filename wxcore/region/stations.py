"""Places of a region: stations.csv (columns, rows, text), and where soundings are launched."""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.grid import Grid
from wxcore.region.records import Region, Station
from wxcore.region.tables import Fault, Field, Row, choice, day, number, read_table, take, text

STATIONS_FILE = "stations.csv"
ELEV_CLASSES = ("plain", "hill", "mountain", "ridge", "")
LEVELS = ("national", "regional", "")

MARGIN_DEG = 3.0
"""Farther than this off the grid [deg], a station's position is a fault [our choice]: most often latitude and
longitude are swapped. Kept are those of the import's margin, 0.5 deg."""

_ID = re.compile(r"[0-9A-Z]{3,12}")


def _parse_id(raw: object) -> str:
    if not isinstance(raw, str) or not _ID.fullmatch(raw):
        raise ValueError(raw)
    return raw


STATIONS = (
    Field(
        "id", _parse_id, "an id of 3 to 12 digits and upper-case letters such as 57516 or A8290",
        " 3 到 12 位数字与大写字母组成的站号，如 57516、A8290",
    ),
    text("name_zh", empty=True), text("name_en", empty=True), number("lat", -90, 90), number("lon", -180, 180),
    number("elevation_m", -500, 9000, empty=True), number("barometer_m", -500, 9000, empty=True),
    choice("elev_class", *ELEV_CLASSES), text("adcode", empty=True), choice("level", *LEVELS), day("valid_from"),
    day("valid_to", empty=True), text("source"),
)  # fmt: skip
"""Columns of the table."""


SOUNDINGS = "soundings"
PLACE = (number("lat", -90, 90), number("lon", -180, 180))


def sounding_places(region: Region, when: datetime) -> dict[str, tuple[float, float]]:
    """lat, lon [deg] by number: of the stations that stand at a time, else of [soundings] in region.toml.

    Raises:
        TimeError: `when` is naive.
    """
    return {**region.soundings, **{row.id: (row.lat, row.lon) for row in region.stations_at(when)}}


def read_soundings(table: Mapping[str, Any], file: str, faults: list[Fault]) -> dict[str, tuple[float, float]]:
    """The optional section [soundings] of region.toml, `57516 = [lat, lon]`; what is wrong goes to `faults`."""
    section = table.get(SOUNDINGS, {})
    if not isinstance(section, dict):
        expected, zh = "a section of 57516 = [lat, lon]", "一节 57516 = [纬度, 经度]"
        faults.append(Fault(file, "", SOUNDINGS, repr(section), expected, zh))
        return {}
    places = {}
    for name, pair in section.items():
        where = f"[{SOUNDINGS}] {name}"
        if not _ID.fullmatch(name):
            faults.append(Fault(file, where, "", repr(name), "a WMO number such as 57516", "区站号，如 57516"))
        elif not isinstance(pair, list) or len(pair) != len(PLACE):
            faults.append(Fault(file, where, "", repr(pair), "[lat, lon] in degrees", "[纬度, 经度]（度）"))
        else:
            values = take(dict(zip(("lat", "lon"), pair, strict=True)), PLACE, faults, file=file, where=where)
            if len(values) == len(PLACE):
                places[name] = (values["lat"], values["lon"])
    return places


def read_stations(path: Path, grid: Grid | None, faults: list[Fault]) -> list[Row]:
    """Rows of stations.csv that are right in all fields; faults of the others to `faults`. None without a file."""
    if not path.exists():
        return []
    rows = read_table(path, STATIONS, faults)
    check_places(path.name, rows, grid, faults)
    return rows


def check_places(file: str, rows: Sequence[Row], grid: Grid | None, faults: list[Fault]) -> None:
    """A fault for every row whose `lat`, `lon` is farther than MARGIN_DEG off the grid."""
    if grid is not None:
        places = np.array([(row.values["lat"], row.values["lon"]) for row in rows]).reshape(-1, 2)
        far = ~near(grid, places[:, 0], places[:, 1], MARGIN_DEG)
        faults += [_far(file, row) for row, off in zip(rows, far, strict=True) if off]


def near(
    grid: Grid, lat: npt.NDArray[np.float64], lon: npt.NDArray[np.float64], margin: float
) -> npt.NDArray[np.bool_]:
    """Which places [deg] are inside the grid's outer edges plus `margin` [deg]?"""
    west, south, east, north = grid.bounds
    turned = (lon - west + margin) % 360
    return (lat >= south - margin) & (lat <= north + margin) & (turned <= east - west + 2 * margin)


def _far(file: str, row: Row) -> Fault:
    found = f"{row.values['lat']:g}, {row.values['lon']:g}"
    expected = f"a place within {MARGIN_DEG:g} deg of the grid (latitude comes first)"
    zh = f"距格网 {MARGIN_DEG:g} 度以内的位置（先纬度后经度）"
    return Fault(file, f"row {row.line}", "lat, lon", found, expected, zh)


def stations_text(rows: Iterable[Station], *, header: bool = True) -> str:
    """Rows as text of stations.csv, which reads back as the same rows."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if header:
        writer.writerow([field.name for field in STATIONS])
    writer.writerows(_cells(row) for row in rows)
    return stream.getvalue()


def _cells(row: Station) -> Sequence[str]:
    return [_cell(getattr(row, field.name)) for field in STATIONS]


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value) if isinstance(value, float) else str(value)

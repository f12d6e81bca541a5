"""Towns and streets of a region: towns.csv, which a bureau gives; a region without the file has none."""

import re
from collections.abc import Collection
from pathlib import Path

from wxcore.grid import Grid
from wxcore.region.stations import check_places
from wxcore.region.tables import Fault, Field, Row, day, number, read_table, text

TOWNS_FILE = "towns.csv"

_TOWN = re.compile(r"[0-9]{9}(?:[0-9]{3})?")
_DISTRICT = re.compile(r"[0-9]{6}")


def _code(name: str, pattern: re.Pattern[str], en: str, zh: str) -> Field:
    def parse(raw: object) -> str:
        if not isinstance(raw, str) or not pattern.fullmatch(raw):
            raise ValueError(raw)
        return raw

    return Field(name, parse, en, zh)


TOWNS = (
    _code("adcode", _TOWN, "a code of 9 or 12 digits such as 500101001", " 9 位或 12 位数字代码，如 500101001"),
    text("name_zh"), text("name_en", empty=True), number("lat", -90, 90), number("lon", -180, 180),
    _code("district", _DISTRICT, "a code of 6 digits such as 500101", " 6 位数字代码，如 500101"),
    day("valid_from"), day("valid_to", empty=True), text("source"),
)  # fmt: skip
"""Columns of the table."""


def read_towns(path: Path, grid: Grid | None, districts: Collection[str], faults: list[Fault]) -> list[Row]:
    """Rows of towns.csv that are right in all fields; faults of the others to `faults`. None without a file.

    Args:
        grid: towns far off it are faults: most often latitude and longitude are swapped.
        districts: codes that districts.csv knows at any time.
    """
    if not path.exists():
        return []
    rows = read_table(path, TOWNS, faults)
    for row in rows:
        if row.values["district"] not in districts:
            expected, zh = "a code that districts.csv holds", " districts.csv 中有的代码"
            faults.append(Fault(path.name, f"row {row.line}", "district", row.values["district"], expected, zh))
    check_places(path.name, rows, grid, faults)
    return rows

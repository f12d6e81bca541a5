"""Every real file under data/stations: read, with its rows and stations counted, or refused for the right reason; and
the mesonet day: what is flagged, and where it blew."""

import csv
import io
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wxcore.errors import ReadError
from wxcore.pipeline.gust_map import gust_map
from wxcore.pipeline.gusts import Gusts, gusts_of_files, to_json
from wxcore.pipeline.read import read_file
from wxcore.region import STATION_META, Region, load_region
from wxcore.region.stations import stations_text
from wxcore.schema import QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT
from wxcore.station.network import network_of
from wxcore.station.qc import quality_control
from wxcore.station.reports import Reports
from wxcore.station.series import series
from wxcore.station.table import import_stations

PUBLISHED = datetime(2026, 11, 1, tzinfo=UTC)
WTM = "wtm/FIVEMIN_82.txt"
FILES: dict[str, tuple[str, int, int]] = {
    "cimiss/SURF_CHN_MAIN_MIN_201809011600_excerpt.xml": ("music-xml", 22, 22),
    "micaps/20032714.000": ("micaps-1", 6644, 5186),
    WTM: ("wtm-5min", 17567, 57),
    "synop/data/gts_data/WX.00": ("synop-text", 66, 66),
    "synop/data/fake_all_groups/all_groups.txt": ("synop-text", 1, 1),
    "synop/data/example_with_bufr/A_SMRO01YRBK211200_C_EDZW_20220321120500_12524785.txt": ("synop-text", 23, 23),
    "cma/A58237-202111.TXT": ("cma-afile", 0, 0),
    "wtm/WestTexas_stations.csv": ("UNSUPPORTED", 0, 0),
    "micaps/pymicaps/SampleData/readme.txt": ("UNKNOWN_FORMAT", 0, 0),
}
"""By path: format and counts of reports and stations; or the reason of refusal. Others by FOLDERS."""

FOLDERS: tuple[tuple[str, tuple[str, ...], int | None], ...] = (
    ("synop/data/wis2box_data/A_*CC*.txt", ("synop-text",), 1),
    ("synop/data/wis2box_data/A_*_C_*.txt", ("synop-text",), 23),
    ("synop/data/example_with_bufr/reference_bufr/*.bin", ("bufr-surface",), 1),
    ("synop/data/*/station_list.csv", ("UNSUPPORTED",), None),
    ("lists/met*.txt", ("micaps-3", "UNSUPPORTED"), None),
    ("lists/meteostat_cn.csv", ("UNSUPPORTED",), None),
    ("lists/nmc*.dat", ("micaps-16",), None),
    ("micaps/utils/test/sample_data/micaps_4/*", ("micaps-4",), None),
    ("micaps/utils/test/sample_data/micaps_11/*", ("micaps-11",), None),
    ("micaps/utils/test/sample_data/*micaps*14/*", ("micaps-14",), None),
    ("micaps/utils/test/sample_data/network_output/*.png", ("UNSUPPORTED",), None),
    ("micaps/pymicaps/SampleData/*", ("micaps-3", "micaps-4", "micaps-11", "micaps-17"), None),
)
GALES, GALE_STATIONS = 238, 28
"""Five-minute gusts of 17.2 m/s or more in the mesonet's day, and their stations: counted by awk in the peak column."""


def outcome(path: Path) -> tuple[str, int, int]:
    try:
        reading = read_file(path, path.name, reference=PUBLISHED)
    except ReadError as error:
        return str(error.reason), 0, 0
    native = reading.native
    if not isinstance(native, Reports):
        return reading.format.name, 0, 0
    return reading.format.name, native.time.size, int(np.unique(native.station).size)


def test_every_file_is_read_and_counted_or_refused_for_the_right_reason(data: Path) -> None:
    root, seen = data / "stations", set()
    for name, expected in FILES.items():
        assert outcome(root / name) == expected, name
        seen.add(root / name)
    for pattern, formats, reports in FOLDERS:
        paths = set(root.glob(pattern)) - seen
        assert paths, pattern
        for path in paths:
            found = outcome(path)
            assert found[0] in formats, path
            assert reports is None or found[1:] == (reports, reports), path
        seen |= paths
    assert {path for path in root.rglob("*") if path.is_file()} == seen


@pytest.fixture(scope="module")
def lubbock(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Region:
    """West Texas with the mesonet's own list of stations, imported."""
    root = tmp_path_factory.mktemp("meta")
    shutil.copytree(STATION_META, root, dirs_exist_ok=True)
    bare = load_region("lubbock", root=root)
    imported = import_stations(
        data / "stations/wtm/WestTexas_stations.csv", bare, valid_from=datetime(2000, 1, 1, tzinfo=UTC).date()
    )
    (root / "lubbock" / "stations.csv").write_text(stations_text(imported.rows))
    return load_region("lubbock", root=root)


@pytest.fixture(scope="module")
def day(data: Path, lubbock: Region) -> Gusts:
    return gusts_of_files([data / "stations" / WTM], lubbock)


def test_the_gales_of_the_mesonet_day_are_found(day: Gusts, data: Path) -> None:
    with (data / "stations" / WTM).open() as text:
        peaks = [(row[3], float(row[9])) for row in csv.reader(text) if row[0] == "1" and len(row) >= 19]
    gales = [(logger, peak) for logger, peak in peaks if 17.2 <= peak < 100]
    assert (len(gales), len({logger for logger, _ in gales})) == (GALES, GALE_STATIONS)
    assert (len(day.table), day.table["station_id"].nunique()) == (GALES, GALE_STATIONS)
    assert (day.stations, day.reports) == (57, 17567)
    strongest = day.table.loc[day.table["gust_m_s"].idxmax()]
    assert (strongest["station_id"], round(float(strongest["gust_m_s"]), 2)) == ("W0040", 42.43)
    # A mean wind of 4.9 m/s, steady pressure, 1.5 K colder in ten minutes, calm neighbours: not to be believed alone.
    assert (strongest["gust_flag"], strongest["gust_supported"], strongest["verdict"]) == (QC_SUSPECT, 0, "suspect")
    believed = day.table[day.table["gust_flag"] == QC_GOOD]
    assert (believed["station_id"].nunique(), round(float(believed["gust_m_s"].max()), 1)) == (24, 27.0)
    assert set(day.table["verdict"]) <= {"not_verifiable", "suspect", "synoptic_wind", "ridge_station"}  # nobody looked
    assert "convective_gale" not in to_json(day, load_region("lubbock"))["verdicts"]


def test_few_of_the_days_values_are_flagged(data: Path, lubbock: Region) -> None:
    path = data / "stations" / WTM
    native = read_file(path, path.name, reference=PUBLISHED).native
    judged = quality_control(series([native], network_of(lubbock, native.end), native.start, native.end))
    for name in ("air_temperature", "dew_point_temperature", "relative_humidity", "air_pressure", "wind_speed"):
        flags = judged[f"{name}_qc"].values
        told = int((flags != QC_MISSING).sum())
        doubted = int(((flags == QC_SUSPECT) | (flags == QC_BAD)).sum())
        assert told > 17_000
        assert doubted < 0.005 * told, name


def test_the_map_shows_each_of_its_stations(day: Gusts, lubbock: Region) -> None:
    image = Image.open(io.BytesIO(gust_map(lubbock, day.table, "gusts"))).convert("RGB")
    colours = {rgb for _, rgb in image.getcolors(1 << 24) or []}
    assert {(255, 170, 50), (240, 80, 40), (190, 0, 60), (130, 0, 140)} <= colours

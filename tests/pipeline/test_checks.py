"""Position and name checks at the door of a region."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from wxcore.errors import ReadError, Reason
from wxcore.pipeline.checks import accept, place
from wxcore.pipeline.read import Reading, read_file
from wxcore.region import Region
from wxcore.times import FUTURE_LIMIT, parse_time

NOW = parse_time("2026-07-02T00:00Z")


@pytest.fixture
def reading(demo_files: list[Path]) -> Reading:
    return read_file(demo_files[0], demo_files[0].name)


def test_the_header_is_believed_where_it_is_near_the_table(reading: Reading, chongqing: Region) -> None:
    site = replace(reading.native.site, latitude=reading.native.site.latitude + 0.04, altitude_m=500.0)
    assert place(reading.native.at(site), chongqing).site == site


@pytest.mark.parametrize(
    "wrong", [{"latitude": 31.0}, {"longitude": 100.0}, {"altitude_m": 4388.0}, {"latitude": math.nan}]
)
def test_the_table_is_believed_where_the_header_is_off(
    reading: Reading, chongqing: Region, wrong: dict[str, float]
) -> None:
    known = chongqing.radar("Z9230", NOW)
    assert known is not None
    found = place(reading.native.at(replace(reading.native.site, **wrong)), chongqing).site
    assert (found.latitude, found.longitude, found.altitude_m) == (known.lat, known.lon, known.antenna_m)


def test_an_unknown_radar_is_told_with_the_fix(reading: Reading, chongqing: Region) -> None:
    with pytest.raises(ReadError, match=r"station_meta/chongqing/radars\.csv") as caught:
        place(reading.native.at(replace(reading.native.site, id="Z9999")), chongqing)
    assert caught.value.reason is Reason.UNKNOWN_SITE


def test_ten_minutes_ahead_are_allowed_and_not_more(reading: Reading, chongqing: Region) -> None:
    time = reading.description.time
    accept(reading, "any name", chongqing, time - FUTURE_LIMIT)
    with pytest.raises(ReadError) as caught:
        accept(reading, "any name", chongqing, time - FUTURE_LIMIT * 1.01)
    assert caught.value.reason is Reason.FUTURE_TIME


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("Z_RADR_I_Z9230_20260701075420_O_DOR_SA_CAP_FMT.bin.bz2", True),
        ("Z_RADR_I_Z9230_20260701080200_O_DOR_SA_CAP_FMT.bin.bz2", True),
        ("z_radr_i_z9230_20260701075420_o_dor_sa_cap_fmt.bin", True),
        ("copy (2) of last night", True),
        ("Z_RADR_I_Z9230_20261301075420_O_DOR_SA_CAP_FMT.bin.bz2", False),
        ("Z_RADR_I_Z9230_20260701090000_O_DOR_SA_CAP_FMT.bin.bz2", False),
        ("Z_RADR_I_Z9092_20260701075420_O_DOR_SA_CAP_FMT.bin.bz2", False),
        ("KTLX20260701_075420_V06", False),
        ("picture.png", False),
    ],
)
def test_a_name_may_be_free_but_not_another_files(reading: Reading, chongqing: Region, name: str, good: bool) -> None:
    if good:
        accept(reading, name, chongqing, NOW)
        return
    with pytest.raises(ReadError) as caught:
        accept(reading, name, chongqing, NOW)
    assert caught.value.reason is Reason.NAME_MISMATCH

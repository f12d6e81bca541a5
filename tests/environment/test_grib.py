from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.environment.makers import LAPSE, STANDARD_HPA, grib_field, grib_profile, height_of
from tests.radar.samples import mutate
from wxcore.codes import eccodes
from wxcore.environment import grib
from wxcore.environment.heights import heights_of
from wxcore.environment.profile import Model
from wxcore.errors import ReadError, Reason

RUN = datetime(2020, 6, 12, 0, tzinfo=UTC)
BOX = (105.5, 28.5, 109.5, 31.5)


def load(tmp_path: Path, data: bytes, box: Any = BOX) -> Model:
    path = tmp_path / "model.grib2"
    path.write_bytes(data)
    return grib.read_path(path, "model.grib2", box)


def h0(model: Model) -> float:
    return heights_of(next(iter(model.profiles.values()))).h0_m


@pytest.mark.parametrize("sample", ["regular_ll_pl_grib2", "regular_ll_pl_grib1"])
def test_a_known_lapse_rate_gives_exact_heights(tmp_path: Path, sample: str) -> None:
    model = load(tmp_path, grib_profile(26.0, sample=sample))
    assert (model.title, model.run, list(model.profiles)) == ("ECMF 128", RUN, [RUN])
    found = heights_of(model.profiles[RUN])
    assert found.h0_m == pytest.approx(26 / LAPSE * 1000, abs=1)  # 26 C at 0 m, 6.5 K/km: 4000 m
    assert found.hm10_m == pytest.approx(36 / LAPSE * 1000, abs=1)
    assert found.hm20_m == pytest.approx(46 / LAPSE * 1000, abs=1)
    assert model.spread_h0_m[RUN] == pytest.approx(0, abs=0.1)
    description = grib.FORMAT.describe(model)
    assert (description.kind, description.time, description.began) == ("nwp", RUN, RUN)


def test_dew_point_from_relative_humidity(tmp_path: Path) -> None:
    profile = load(tmp_path, grib_profile(26.0)).profiles[RUN]
    # Bolton eq. 11 by hand at 1000 hPa: T 26 - 6.5 * 0.0882 = 25.427 C, es 32.49 hPa, 60 % = 19.50 hPa -> Td 17.11 C.
    assert profile.temperature[0] == pytest.approx(25.427, abs=0.01)
    assert profile.dew_point[0] == pytest.approx(17.11, abs=0.02)


def slope() -> Any:
    """Surface temperature that grows by 1 K a degree of longitude and 0.1 K a degree of latitude: (5, 6)."""
    return 20 + np.arange(6)[None, :] + 0.1 * np.arange(5)[:, None]


@pytest.mark.parametrize("scan", [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)])
def test_every_scanning_order_takes_the_points_of_the_box(tmp_path: Path, scan: tuple[int, int, int]) -> None:
    # Columns 105 ... 110 E, rows 28 ... 32 N. The box holds 106 ... 107 E and 29 ... 30 N: mean 21.5 + 0.15.
    model = load(tmp_path, grib_profile(slope(), scan=scan), (105.5, 28.5, 107.5, 30.5))
    assert h0(model) == pytest.approx(21.65 / LAPSE * 1000, abs=1)
    assert model.spread_h0_m[RUN] == pytest.approx(1.1 / LAPSE * 1000, abs=1)  # 21.1 in a corner, 22.2 in the other


def test_longitudes_to_360_and_west_of_greenwich(tmp_path: Path) -> None:
    # 253 ... 258 E = 107 ... 102 W; the box is told in negative longitudes.
    data = grib_profile(slope(), box=(28.0, 32.0, 253.0, 258.0))
    assert h0(load(tmp_path, data, (-106.5, 28.5, -104.5, 30.5))) == pytest.approx(21.65 / LAPSE * 1000, abs=1)
    across = grib_profile(slope(), box=(28.0, 32.0, 358.0, 363.0))
    assert h0(load(tmp_path, across, (-1.5, 28.5, 0.5, 30.5))) == pytest.approx(21.65 / LAPSE * 1000, abs=1)


def test_not_over_the_box(tmp_path: Path) -> None:
    with pytest.raises(ReadError) as caught:
        load(tmp_path, grib_profile(26.0), (5.0, 45.0, 10.0, 50.0))
    assert caught.value.reason == Reason.OUTSIDE_REGION


def test_a_box_between_the_points_takes_the_nearest(tmp_path: Path) -> None:
    model = load(tmp_path, grib_profile(slope()), (106.2, 29.2, 106.4, 29.4))
    assert h0(model) == pytest.approx(21.1 / LAPSE * 1000, abs=1)
    assert "nearest" in model.remarks[0]


def test_reduced_gaussian_grid_by_its_own_places(tmp_path: Path) -> None:
    parts = []
    for pressure in STANDARD_HPA:
        for short in ("t", "gh"):
            handle = eccodes.codes_grib_new_from_samples("reduced_gg_pl_32_grib2")
            lat = eccodes.codes_get_array(handle, "latitudes")
            z = float(height_of(pressure))
            values = np.where((lat > 25) & (lat < 35), 26.0, -10.0) - LAPSE * z / 1000 + 273.15
            for key, value in {"shortName": short, "level": pressure, "dataDate": 20200612, "dataTime": 0}.items():
                eccodes.codes_set(handle, key, value)
            eccodes.codes_set_values(handle, values if short == "t" else np.full(lat.size, z))
            parts.append(eccodes.codes_get_message(handle))
            eccodes.codes_release(handle)
    model = load(tmp_path, b"".join(parts), (103.0, 26.0, 112.0, 34.0))
    assert h0(model) == pytest.approx(4000, abs=10)


def test_several_valid_times_and_the_newest_run(tmp_path: Path) -> None:
    data = grib_profile(20.0, run=(20200611, 1200), valid_h=12) + grib_profile(26.0) + grib_profile(29.25, valid_h=6)
    model = load(tmp_path, data)
    assert list(model.profiles) == [RUN, RUN + timedelta(hours=6)]
    assert [round(heights_of(one).h0_m) for one in model.profiles.values()] == [4000, 4500]
    assert "1 older runs left out" in model.remarks
    told = grib.FORMAT.describe(model)
    assert (told.sweeps, told.time, told.began) == (2, RUN + timedelta(hours=6), RUN), "found by the last valid time"
    assert "2 valid times from 2020-06-12 00:00 to 2020-06-12 06:00" in told.remarks[0]


def test_missing_points_are_not_zero(tmp_path: Path) -> None:
    surface = np.where(np.arange(6)[None, :] >= 3, np.nan, 26.0) + np.zeros((5, 1))
    assert h0(load(tmp_path, grib_profile(surface))) == pytest.approx(4000, abs=1)


def test_ground_and_what_lies_under_it(tmp_path: Path) -> None:
    # Ground at 900 hPa everywhere: 1000 and 925 hPa lie under it and carry nonsense here.
    ground = float(height_of(900))
    data = b"".join([
        grib_profile(26.0),
        grib_field("sp", 90_000.0, more={"typeOfLevel": "surface"}),
        grib_field("2t", 24 + 273.15), grib_field("2d", 20 + 273.15),
        grib_field("orog", ground, more={"typeOfLevel": "surface"}),
    ])  # fmt: skip
    profile = load(tmp_path, data).profiles[RUN]
    assert profile.pressure[:2] == pytest.approx([900, 850])
    assert profile.height[0] == pytest.approx(ground, abs=1)
    assert (profile.temperature[0], profile.dew_point[0]) == pytest.approx((24, 20), abs=0.01)


def test_geopotential_and_specific_humidity(tmp_path: Path) -> None:
    parts = [grib_field("t", 26 - LAPSE * float(height_of(p)) / 1000 + 273.15, p) for p in STANDARD_HPA]
    parts += [grib_field("z", float(height_of(p)) * 9.80665, p) for p in STANDARD_HPA]
    parts += [grib_field("q", 0.012, p) for p in (1000, 925)]
    profile = load(tmp_path, b"".join(parts)).profiles[RUN]
    assert profile.height == pytest.approx(height_of(STANDARD_HPA), abs=1)
    # e = 0.012 * 1000 / (0.622 + 0.378 * 0.012) = 19.153 hPa -> Td 16.83 C
    assert profile.dew_point[0] == pytest.approx(16.83, abs=0.05)
    assert np.isnan(profile.dew_point[3])


def test_a_huge_declared_grid_is_refused_before_it_is_made(tmp_path: Path) -> None:
    handle = eccodes.codes_new_from_message(grib_field("t", 280.0, 500))
    for key in ("Ni", "Nj"):
        eccodes.codes_set(handle, key, 2_000_000)
    eccodes.codes_set(handle, "numberOfDataPoints", 2_000_000_000)
    data = eccodes.codes_get_message(handle)
    with pytest.raises(ReadError) as caught:
        load(tmp_path, data)
    assert caught.value.reason == Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (grib_field("t", 280.0, 500), Reason.UNSUPPORTED),
        (grib_field("sp", 9e4, more={"typeOfLevel": "surface"}), Reason.UNSUPPORTED),
        (grib_field("msl", 9e4), Reason.UNSUPPORTED),
        (grib_field("t", 280.0, 500)[:-20], Reason.TRUNCATED),
        (b"GRIB\0\0\0\2 nothing", Reason.TRUNCATED),
    ],
)
def test_refusals(tmp_path: Path, data: bytes, reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        load(tmp_path, data)
    assert caught.value.reason == reason
    assert caught.value.zh != caught.value.en


def test_recognised_by_its_first_bytes() -> None:
    data = grib_field("t", 280.0, 500)
    assert grib.FORMAT.recognise(data)
    assert grib.FORMAT.recognise(b"HTXX01 BABJ 120000\r\r\n" + data)
    assert not grib.FORMAT.recognise(b"BUFR" + data[4:])
    assert not grib.FORMAT.recognise(b"GRIB\0\0\0\7")


def test_mutants_are_read_or_refused(tmp_path: Path) -> None:
    data = grib_profile(26.0)
    rng = np.random.default_rng(5)
    for _ in range(40):
        try:
            load(tmp_path, mutate(data, rng, 200))
        except ReadError:
            continue

"""Point series and days: the view and the cubes say the same, and what was never written is absent."""

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.archive.cubes import GRID, SIX, cube
from tests.archive.days import DAY, MIDNIGHT, REGION, commit, fill, filled
from wxcore.archive.compact import compact
from wxcore.archive.layout import QUANTUM
from wxcore.archive.read import open_archive
from wxcore.archive.series import PLANES, open_day, point_series
from wxcore.errors import ArchiveError, TimeError

__all__ = ["filled"]
END = MIDNIGHT + timedelta(days=1)


@pytest.fixture(scope="module")
def compacted(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compacted") / "archive"
    shutil.copytree(filled, root)
    compact(root, REGION, DAY)
    return root


@pytest.mark.parametrize("name", ["filled", "compacted"])
def test_a_series_is_what_the_cubes_held_when_they_were_made(name: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(name)
    series = point_series(root, REGION, 29.021, 106.049, start=MIDNIGHT, end=END)
    assert series.sizes == {"time": 25}
    assert (float(series["lat"]), float(series["lon"])) == (GRID.lat[2], GRID.lon[5])
    for at, slot in ((0, 3), (12, 18), (24, 239)):
        made = cube(MIDNIGHT + slot * SIX, seed=slot)
        assert series["time"].to_numpy()[at] == made["time"].to_numpy()[0]
        for var in PLANES:
            wanted = made[var.name].isel(lat=2, lon=5) if "lat" in var.dims else made[var.name]
            found = series[var.name].to_numpy()[at]
            np.testing.assert_allclose(found, wanted.to_numpy()[0], atol=QUANTUM.get(var.name, 0) / 2 + 1e-3, rtol=0)
            assert series[var.name].dtype == np.dtype(var.dtype)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lat=st.floats(28.9951, 29.0449), lon=st.floats(105.9951, 106.0649), first=st.integers(-10, 250),
       length=st.integers(0, 250))  # fmt: skip
def test_view_cubes_and_xarray_agree(
    filled: Path, compacted: Path, lat: float, lon: float, first: int, length: int
) -> None:
    start, end = MIDNIGHT + first * SIX, MIDNIGHT + (first + length) * SIX
    names = ["composite_reflectivity", "observed", "shi", "freezing_level"]
    one, other = (point_series(root, REGION, lat, lon, start=start, end=end, variables=names) for root in
                  (filled, compacted))  # fmt: skip
    xr.testing.assert_identical(one, other)
    span = slice(np.datetime64(start.replace(tzinfo=None)), np.datetime64(end.replace(tzinfo=None)))
    oracle = open_archive(filled, region=REGION).sel(time=span).sel(lat=lat, lon=lon, method="nearest")
    near_edge = min(abs(lat * 100 % 1 - 0.5), abs(lon * 100 % 1 - 0.5)) < 1e-6
    for name in names:
        if not near_edge:
            np.testing.assert_array_equal(one[name].to_numpy(), oracle[name].to_numpy())


def test_a_column_comes_out_of_the_cubes(compacted: Path) -> None:
    series = point_series(compacted, REGION, 29.0, 106.0, start=MIDNIGHT, end=END, variables=["reflectivity", "vil"])
    assert series["reflectivity"].dims == ("time", "height")
    made = cube(MIDNIGHT + 239 * SIX, seed=239)["reflectivity"].to_numpy()[0, :, 0, 0]
    np.testing.assert_allclose(series["reflectivity"].to_numpy()[-1], made, atol=0.051)


def test_a_series_goes_over_midnight(tmp_path: Path) -> None:
    times = [*fill(tmp_path, [238, 239]), *fill(tmp_path, [0, 1], END)]
    compact(tmp_path, REGION, DAY)
    series = point_series(tmp_path, REGION, 29.0, 106.0, start=times[1], end=times[2], variables=["vil"])
    assert [str(time)[:16] for time in series["time"].to_numpy()] == ["2020-06-12T23:54", "2020-06-13T00:00"]


def test_nothing_between_is_empty_and_not_zero(filled: Path) -> None:
    series = point_series(filled, REGION, 29.0, 106.0, start=MIDNIGHT, end=MIDNIGHT + SIX)
    assert series.sizes == {"time": 0}
    assert series["vil"].dtype == np.float32


@pytest.mark.parametrize(("lat", "lon"), [(106.0, 29.0), (28.99, 106.0), (29.0, 106.07), (float("nan"), 106.0)])
def test_outside_of_the_grid_is_refused(filled: Path, lat: float, lon: float) -> None:
    with pytest.raises(ArchiveError, match=r"outside of the grid.*28\.995 to 29\.045"):
        point_series(filled, REGION, lat, lon, start=MIDNIGHT, end=END)


def test_bad_questions_are_refused(filled: Path) -> None:
    with pytest.raises(ArchiveError, match="no variable hail"):
        point_series(filled, REGION, 29.0, 106.0, start=MIDNIGHT, end=END, variables=["hail"])
    with pytest.raises(TimeError):
        point_series(filled, REGION, 29.0, 106.0, start=MIDNIGHT.replace(tzinfo=None), end=END)
    with pytest.raises(ArchiveError, match="no cycle of 20200613"):
        open_day(filled, REGION, date(2020, 6, 13))


def test_a_day_opens_from_the_view_and_from_the_cubes(filled: Path, compacted: Path) -> None:
    cubes, view = open_day(filled, REGION, DAY), open_day(compacted, REGION, DAY)
    assert (cubes.attrs["view"], view.attrs["view"]) == (0, 1)
    assert "reflectivity" in cubes
    assert "reflectivity" not in view
    xr.testing.assert_equal(view.load(), cubes[list(view.data_vars)].load())
    xr.testing.assert_equal(cubes, open_archive(filled, region=REGION).load())
    assert view["nearest_radar"].max() < len(view.attrs["radars"])


def test_as_of_before_the_view_shows_the_cubes(tmp_path: Path) -> None:
    fill(tmp_path, [5])
    then = datetime.now(MIDNIGHT.tzinfo)
    commit(tmp_path, MIDNIGHT + 6 * SIX, seed=6)
    compact(tmp_path, REGION, DAY)
    assert open_day(tmp_path, REGION, DAY, as_of=then).sizes["time"] == 1
    assert open_day(tmp_path, REGION, DAY).sizes["time"] == 2

"""Hints by storm: shapes, thin lines and the view, on fields made by hand."""

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity

from wxcore.grid import Grid
from wxcore.radar.kinematics.hints import COLUMNS, DEGREE_KM, storm_hints

GRID = Grid(105.0, 29.0, 200, 150)
LAT, LON = 29.75, 106.0
WIDE = DEGREE_KM * np.cos(np.deg2rad(LAT))


def km(east: float, north: float) -> tuple[float, float]:
    return LON + east / WIDE, LAT + north / DEGREE_KM


def box(long_km: float, short_km: float, *, turn_deg: float = 0.0) -> shapely.Polygon:
    local = affinity.rotate(shapely.box(-long_km / 2, -short_km / 2, long_km / 2, short_km / 2), turn_deg)
    return shapely.Polygon([km(x, y) for x, y in local.exterior.coords])


def storms(polygon=None, u=20.0, v=0.0) -> pd.DataFrame:
    row = {"lat": LAT, "lon": LON, "u_m_s": u, "v_m_s": v, "polygon": polygon or box(50, 12)}
    return pd.DataFrame([row], index=["a1"])


def cube(**fields) -> xr.Dataset:
    """Column fields of one time; nothing given: observed, no echo, no wind."""
    fields = {
        "composite_reflectivity": -10.0, "radial_convergence_low": 0.0, "velocity_observed": 1,
        "radial_wind_low": np.nan, "radial_wind_low_azimuth": np.nan,
    } | fields  # fmt: skip
    return xr.Dataset({
        name: (("time", "lat", "lon"), np.broadcast_to(np.asarray(value, dtype="f4"), (1, *GRID.shape)))
        for name, value in fields.items()
    })  # fmt: skip


def line(east_km: float, length_km: float, width_km: float) -> np.ndarray:
    """Cells of a north-south bar east of the storm's centre."""
    east, north = (GRID.lon - LON) * WIDE, (GRID.lat - LAT) * DEGREE_KM
    return (np.abs(east - east_km) <= width_km / 2)[None, :] & (np.abs(north) <= length_km / 2)[:, None]


def with_line(where: np.ndarray, *, dbz: float = 15.0, convergence: float = 0.003, **more) -> xr.Dataset:
    return cube(
        composite_reflectivity=np.where(where, dbz, -10), radial_convergence_low=np.where(where, convergence, 0), **more
    )


@pytest.mark.parametrize("turn_deg", [0.0, 30.0, 90.0])
def test_the_axes_are_those_of_the_outline_however_it_lies(turn_deg):
    found = storm_hints(cube(), storms(box(50, 12.5, turn_deg=turn_deg)), GRID)
    assert tuple(found.columns) == COLUMNS
    assert list(found.index) == ["a1"]
    assert found.major_axis_km["a1"] == pytest.approx(50, rel=0.01)
    assert found.axis_ratio["a1"] == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize(
    ("long_km", "short_km", "speed", "bow"),
    [(50, 12, 20, True), (38, 10, 20, False), (50, 20, 20, False), (50, 12, 14, False), (50, 12, np.nan, np.nan)],
)
def test_a_bow_is_long_slim_and_fast(long_km, short_km, speed, bow):
    found = storm_hints(cube(), storms(box(long_km, short_km), u=0.6 * speed, v=-0.8 * speed), GRID)
    np.testing.assert_equal(found.bow["a1"], float(bow))


def test_a_thin_line_of_weak_echo_on_convergence_is_a_gust_front():
    found = storm_hints(with_line(line(45.0, 30.0, 3.0)), storms(box(20, 20)), GRID)
    assert found.gust_front_km["a1"] == pytest.approx(30, abs=2.5)


@pytest.mark.parametrize(
    "fields",
    [
        with_line(line(45.0, 15.0, 3.0)),  # short
        with_line(line(45.0, 30.0, 9.0)),  # wide
        with_line(line(45.0, 30.0, 3.0), dbz=40.0),  # strong
        with_line(line(45.0, 30.0, 3.0), convergence=0.0002),  # no convergence
        with_line(line(45.0, 30.0, 3.0), convergence=np.nan),  # none known
        with_line(line(60.0, 30.0, 3.0)),  # far
    ],
    ids=["short", "wide", "strong", "calm", "unknown", "far"],
)
def test_other_lines_are_none(fields):
    assert storm_hints(fields, storms(box(20, 20)), GRID).gust_front_km["a1"] == 0


def test_the_lowest_observed_level_is_looked_at_below_an_anvil():
    where = line(45.0, 30.0, 3.0)
    fields = with_line(where, dbz=40.0)
    low, high = np.where(where, 15.0, -10.0), np.full(GRID.shape, 40.0)
    levels = np.stack([np.full(GRID.shape, np.nan), low, high])[np.newaxis].astype("f4")
    fields = fields.assign(reflectivity=(("time", "height", "lat", "lon"), levels))
    assert storm_hints(fields, storms(box(20, 20)), GRID).gust_front_km["a1"] > 25


def test_where_no_velocity_was_seen_nobody_knows_of_a_gust_front():
    for unseen in (0, 2):
        found = storm_hints(with_line(line(45.0, 30.0, 3.0), velocity_observed=unseen), storms(box(20, 20)), GRID)
        assert np.isnan(found.gust_front_km["a1"])
    assert np.isnan(storm_hints(cube().drop_vars("velocity_observed"), storms(), GRID).gust_front_km["a1"])


@pytest.mark.parametrize(
    ("towards", "u", "v", "view"),
    [(90, 20, 0, 1), (270, 20, 0, 1), (0, 20, 0, 0), (60, 0, 10, 0.5), (45, 5, 5, 1)],
)
def test_the_view_is_the_cosine_between_beam_and_motion(towards, u, v, view):
    wind, azimuth = np.full(GRID.shape, 5.0), np.full(GRID.shape, 33.0)
    row, column = np.argmin(np.abs(GRID.lat - LAT)), np.argmin(np.abs(GRID.lon - LON))
    wind[row, column + 10], azimuth[row, column + 10] = 25.0, towards
    wind[row, column + 60], azimuth[row, column + 60] = 40.0, 200.0  # another storm's
    found = storm_hints(cube(radial_wind_low=wind, radial_wind_low_azimuth=azimuth), storms(box(20, 20), u, v), GRID)
    assert found.wind_view["a1"] == pytest.approx(view, abs=1e-6)


def test_the_view_is_unknown_without_motion_or_wind():
    blowing = cube(radial_wind_low=10.0, radial_wind_low_azimuth=90.0)
    assert storm_hints(blowing, storms(), GRID).wind_view["a1"] == pytest.approx(1)
    for u, v in ((np.nan, np.nan), (0.0, 0.0)):
        assert np.isnan(storm_hints(blowing, storms(u=u, v=v), GRID).wind_view["a1"])
    assert np.isnan(storm_hints(cube(), storms(), GRID).wind_view["a1"])
    assert np.isnan(storm_hints(xr.Dataset(), storms(), GRID).wind_view["a1"])


def test_no_storms_give_an_empty_table_of_the_same_columns():
    found = storm_hints(cube(), storms().iloc[:0], GRID)
    assert len(found) == 0
    assert tuple(found.columns) == COLUMNS


def test_several_times_or_another_grid_are_refused():
    with pytest.raises(ValueError, match="one time"):
        storm_hints(xr.concat([cube(), cube()], "time"), storms(), GRID)
    with pytest.raises(ValueError, match="grid"):
        storm_hints(cube(), storms(), Grid(105.0, 29.0, 20, 15))


@settings(max_examples=40, deadline=None)
@given(
    points=st.lists(st.tuples(st.floats(-200, 200), st.floats(-200, 200)), min_size=3, max_size=7),
    u=st.floats(-60, 60) | st.just(float("nan")), seed=st.integers(0, 999),
)  # fmt: skip
def test_any_outline_gives_bounded_hints(points, u, seed):
    rng = np.random.default_rng(seed)
    fields = cube(
        composite_reflectivity=rng.uniform(-10, 60, GRID.shape), radial_convergence_low=rng.normal(0, 0.01, GRID.shape),
        radial_wind_low=rng.uniform(0, 40, GRID.shape), radial_wind_low_azimuth=rng.uniform(0, 360, GRID.shape),
    )  # fmt: skip
    outline = shapely.convex_hull(shapely.MultiPoint([km(x, y) for x, y in points]))
    row = storm_hints(fields, storms(outline, u=u), GRID).iloc[0]
    assert np.isnan(row.major_axis_km) or 0 <= row.major_axis_km < 600
    assert np.isnan(row.axis_ratio) or row.axis_ratio >= 1
    assert np.isnan(row.gust_front_km) or row.gust_front_km == 0 or row.gust_front_km >= 20
    assert np.isnan(row.wind_view) or 0 <= row.wind_view <= 1


@pytest.mark.parametrize("radius_km", [12.0, 20.0])
def test_a_front_all_around_is_as_long_as_its_circle(radius_km):
    east, north = np.meshgrid((GRID.lon - LON) * WIDE, (GRID.lat - LAT) * DEGREE_KM)
    ring = np.abs(np.hypot(east, north) - radius_km) <= 1.6
    found = storm_hints(with_line(ring), storms(box(8, 8)), GRID).gust_front_km["a1"]
    assert found == pytest.approx(2 * np.pi * radius_km, rel=0.15)


def test_a_net_of_convergence_is_no_front():
    east, north = np.meshgrid((GRID.lon - LON) * WIDE, (GRID.lat - LAT) * DEGREE_KM)
    net = ((np.abs(east % 9 - 4.5) < 1) | (np.abs(north % 9 - 4.5) < 1)) & (np.abs(east) < 30) & (np.abs(north) < 30)
    assert storm_hints(with_line(net), storms(box(8, 8)), GRID).gust_front_km["a1"] == 0


def test_without_convergence_nobody_knows_of_a_gust_front():
    fields = cube().drop_vars("radial_convergence_low")
    assert np.isnan(storm_hints(fields, storms(), GRID).gust_front_km["a1"])


def test_wind_and_view_are_of_one_place():
    """18 m/s along the motion in the storm, 18.5 m/s across it just outside: both figures are of the second."""
    wind, towards = np.full(GRID.shape, 5.0), np.full(GRID.shape, 90.0)
    row, column = np.argmin(np.abs(GRID.lat - LAT)), np.argmin(np.abs(GRID.lon - LON))
    wind[row, column] = 18.0
    outside = np.argmin(np.abs(GRID.lat - (LAT + 8 / DEGREE_KM)))
    wind[outside, column], towards[outside, column] = 18.5, 0.0
    found = storm_hints(cube(radial_wind_low=wind, radial_wind_low_azimuth=towards), storms(box(50, 12)), GRID)
    assert found.radial_wind_low_m_s["a1"] == pytest.approx(18.5)
    assert found.wind_view["a1"] == pytest.approx(0.0, abs=1e-6)

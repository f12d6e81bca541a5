"""Looks moved to the analysis time."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar.synthetic_volumes import MISSING_CODE, SITE, WHEN, sweep, volume
from wxcore.errors import TimeError
from wxcore.grid import Grid
from wxcore.radar.advect_tilts import advect_tilts
from wxcore.radar.geometry import ground_arc
from wxcore.radar.looks import Look, look_of
from wxcore.radar.mosaic import mosaic_looks
from wxcore.radar.tilts import UNOBSERVED
from wxcore.radar.volume import Site

ANGLES = (0.5, 1.5, 2.5, 4.0, 6.0)
EAST = replace(SITE, id="Z9002", longitude=106.8)
GRID = Grid(106.0, 29.8, 81, 61, 0.01, (2000.0, 3000.0))
U, V = 20.0, -8.0
KM_PER_DEG = 111.2


def storm_seen(site: Site, seconds: float) -> Look:
    """A storm that is at 106.4 E, 30.1 N at WHEN and moves with (U, V), seen `seconds` after."""
    east0 = (106.4 - site.longitude) * KM_PER_DEG * 1000 * np.cos(np.deg2rad(30.0)) + U * seconds
    north0 = (30.1 - site.latitude) * KM_PER_DEG * 1000 + V * seconds

    def field(azimuth: np.ndarray, slant: np.ndarray) -> np.ndarray:
        arc = ground_arc(slant, 2.0)
        x, y = arc * np.sin(np.deg2rad(azimuth)), arc * np.cos(np.deg2rad(azimuth))
        dbz = 60 - ((x - east0) ** 2 + (y - north0) ** 2) / 2e6
        return np.where(dbz < 0, np.nan, dbz)

    cuts = [sweep(angle, field, gate_m=250.0, gates=600) for angle in ANGLES]
    return look_of(volume(cuts, site=site, start=WHEN + timedelta(seconds=seconds)))


def centre(look: Look) -> tuple[float, float]:
    """Longitude and latitude of the storm in a mosaic of this look alone, weighted above 40 dBZ."""
    ds = mosaic_looks([look], GRID, when=WHEN).reflectivity.isel(time=0, height=0)
    weight = np.nan_to_num(np.maximum(ds.to_numpy() - 40, 0))
    lon, lat = np.meshgrid(GRID.lon, GRID.lat)
    return float((lon * weight).sum() / weight.sum()), float((lat * weight).sum() / weight.sum())


def test_two_looks_five_minutes_apart_coincide_after_advection() -> None:
    one, other = storm_seen(SITE, 0.0), storm_seen(EAST, -300.0)
    (lon, lat), (lon0, lat0) = centre(one), centre(other)
    apart = np.hypot((lon - lon0) * 96.3, (lat - lat0) * KM_PER_DEG)
    assert apart == pytest.approx(np.hypot(U, V) * 0.3, abs=0.4)
    moved = advect_tilts(other, U, V, WHEN)
    assert moved.start == WHEN
    lon1, lat1 = centre(moved)
    assert np.hypot((lon - lon1) * 96.3, (lat - lat1) * KM_PER_DEG) < 0.4


def test_each_tilt_moves_from_its_own_time() -> None:
    look = storm_seen(SITE, 0.0)
    late = replace(look, tilts=(look.tilts[0], *(replace(tilt, time_s=300.0) for tilt in look.tilts[1:])))
    moved = advect_tilts(late, U, V, WHEN + timedelta(seconds=300))
    np.testing.assert_array_equal(
        moved.tilts[1].dbz, advect_tilts(look, 0.0, 0.0, WHEN).tilts[1].dbz
    )  # scanned at that time: unmoved
    assert (moved.tilts[0].dbz != advect_tilts(look, 0.0, 0.0, WHEN).tilts[0].dbz).any()
    assert {tilt.time_s for tilt in moved.tilts} == {0.0}


def test_standing_still_changes_no_value() -> None:
    look = storm_seen(SITE, 0.0)
    still = advect_tilts(look, 0.0, 0.0, WHEN)
    for before, after in zip(look.tilts, still.tilts, strict=True):
        wanted = (np.arange(720) + 0.5) * 0.5
        rays = before.ray_of[(wanted / 360 * before.ray_of.size).astype(int)]
        np.testing.assert_array_equal(after.dbz, before.dbz[rays])


def test_a_field_of_motion_by_place() -> None:
    look = storm_seen(EAST, -300.0)
    uniform = advect_tilts(look, U, V, WHEN)

    def everywhere(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full(lon.shape, U), np.full(lat.shape, V)

    def only_east(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.where(lon > 107.0, U, np.nan), np.where(lon > 107.0, V, np.nan)

    same = advect_tilts(look, 0.0, 0.0, WHEN, field=everywhere)
    np.testing.assert_array_equal(same.tilts[0].dbz, uniform.tilts[0].dbz)
    lon, _ = centre(advect_tilts(look, 0.0, 0.0, WHEN, field=only_east))
    assert lon == pytest.approx(centre(look)[0], abs=0.005)


@settings(max_examples=20, deadline=None)
@given(st.floats(-60, 60), st.floats(-60, 60), st.floats(-900, 900))
def test_nothing_is_invented(u: float, v: float, seconds: float) -> None:
    cut = sweep(0.5, 20.0, gates=60)
    cut.moments["DBZH"].codes[100:140] = MISSING_CODE
    look = look_of(volume([cut]))
    (tilt,) = advect_tilts(look, u, v, WHEN + timedelta(seconds=seconds)).tilts
    assert set(np.unique(tilt.dbz)) <= {int(UNOBSERVED), 2000}
    gone = float((tilt.dbz == UNOBSERVED).mean())
    farther = np.hypot(u, v) * abs(seconds)
    if farther > 2 * 60_000 + 2000:
        assert gone == 1.0  # all of it came from beyond
    assert gone >= 0.05  # the missing rays are not filled


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(TimeError):
        advect_tilts(storm_seen(SITE, 0.0), U, V, datetime(2020, 6, 12))  # noqa: DTZ001 - the naive time is the test

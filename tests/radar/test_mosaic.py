"""The mosaic against a slow, obvious reference, hand-made columns, and the known answers of real volumes."""

import bz2
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.radar.synthetic_volumes import MISSING_CODE, SITE, WHEN, sweep, volume
from wxcore.errors import ReadError, Reason, TimeError
from wxcore.grid import Grid
from wxcore.radar.cinrad import read_standard
from wxcore.radar.geometry import beam_through, ground_position, slant_at_arc
from wxcore.radar.mosaic import Z_LAST, grid_volume, mosaic
from wxcore.radar.volume import MISSING, NO_ECHO, Volume
from wxcore.schema import MOSAIC, check

ANGLES = (0.5, 1.45, 2.4, 3.35, 4.3, 6.0, 9.9, 14.6, 19.5)
GRID = Grid(105.0, 29.2, 101, 81, 0.02)


def storms(azimuth: np.ndarray, slant: np.ndarray) -> np.ndarray:
    dbz = 55 * np.cos(np.deg2rad(3 * azimuth)) * np.exp(-(((slant - 70_000) / 40_000) ** 2)) + 0 * slant
    return np.where(dbz < 5, np.nan, dbz)


def column(ds: xr.Dataset, lat: float, lon: float) -> np.ndarray:
    return ds.reflectivity.isel(time=0).sel(lat=lat, lon=lon, method="nearest").to_numpy()


def reference(vol: Volume, lat: float, lon: float, height_m: float) -> float:
    """One point, as the text of DOMAIN.md 1.4 says it: no tables, no steps. One sweep a cut is assumed."""
    site = vol.site
    cuts = sorted((s for s in vol.sweeps if "DBZH" in s.moments), key=lambda s: float(np.median(s.elevation)))
    angles = [round(float(np.median(s.elevation)), 2) for s in cuts]
    arc, azimuth = (float(v) for v in ground_position(site.latitude, site.longitude, lat, lon))
    elevation = float(beam_through(arc, height_m - site.altitude_m)[0])

    def gate_dbz(index: int) -> float:
        moment, rays = cuts[index].moments["DBZH"], cuts[index].azimuth.astype("f8")
        ray = int(np.argmin(np.abs((rays - azimuth + 180) % 360 - 180)))
        gate = round((float(slant_at_arc(arc, angles[index])) - moment.first_gate_m) / moment.gate_m)
        if not 0 <= gate < moment.codes.shape[1]:
            return float("nan")
        code = int(moment.codes[ray, gate])
        if moment.classes[code] == NO_ECHO:
            return -10.0
        return float("nan") if moment.classes[code] > NO_ECHO else max((code - moment.offset) / moment.scale, -10.0)

    if elevation < angles[0] - site.beam_width_deg / 2 or elevation > angles[-1]:
        return float("nan")
    if elevation < angles[0]:
        return gate_dbz(0)
    below = max(k for k, angle in enumerate(angles) if angle <= elevation)
    above = min(below + 1, len(angles) - 1)
    share = (elevation - angles[below]) / (angles[above] - angles[below]) if above > below else 0.0
    return (1 - share) * gate_dbz(below) + share * gate_dbz(above)


def agreement(vol: Volume, ds: xr.Dataset, points: int, *, near_echo: bool) -> float:
    """Part of random points within 0.1 dB of the reference (both missing counts as agreement)."""
    dbz = ds.reflectivity.isel(time=0).to_numpy()
    rng = np.random.default_rng(7)
    pool = np.argwhere(dbz > 0) if near_echo else np.argwhere(np.ones(dbz.shape, dtype=bool))
    chosen = pool[rng.integers(0, len(pool), points)]
    expected = np.array([reference(vol, float(ds.lat[y]), float(ds.lon[x]), float(ds.height[z])) for z, y, x in chosen])
    ours = dbz[tuple(chosen.T)]
    same = (np.isnan(ours) & np.isnan(expected)) | (np.abs(ours - expected) <= 0.1)
    return float(same.mean())


def test_synthetic_volume_agrees_with_the_reference() -> None:
    vol = volume([sweep(angle, storms) for angle in ANGLES])
    ds = grid_volume(vol, GRID)
    check(ds, MOSAIC, what="mosaic")
    assert agreement(vol, ds, 1500, near_echo=False) >= 0.98
    assert agreement(vol, ds, 1500, near_echo=True) >= 0.93  # the tables' steps: 50 m, 0.05 deg


def test_memory_is_z_last_without_copy() -> None:
    ds = grid_volume(volume([sweep(0.5, 20.0), sweep(1.5, 20.0)]), GRID)
    turned = ds.reflectivity.transpose(*Z_LAST).values
    assert turned.flags.c_contiguous
    assert np.shares_memory(turned, ds.reflectivity.values)
    assert ds.reflectivity.attrs["units"] == "dBZ"


def test_between_two_tilts_linear_in_elevation_and_nothing_outside() -> None:
    heights = tuple(float(z) for z in range(600, 8000, 100))
    grid = Grid(106.0, 30.9, 1, 1, 0.01, heights)
    vol = volume([sweep(0.5, 20.0), sweep(4.5, 40.0)])
    dbz = column(grid_volume(vol, grid), 30.9, 106.0)
    arc, _ = ground_position(30.0, 106.0, 30.9, 106.0)
    elevation, _ = beam_through(float(np.rint(arc / 50) * 50), np.array(heights) - 500.0)
    expected = np.interp(elevation, [0.5, 4.5], [20, 40], left=np.nan, right=np.nan)
    expected[(elevation >= 0.0) & (elevation < 0.5)] = 20
    assert np.isnan(expected).any()
    np.testing.assert_allclose(dbz, expected, atol=0.01)


def test_no_gap_limit_but_no_value_beside_an_unobserved_tilt() -> None:
    cuts = [sweep(angle, 30.0) for angle in (0.5, 6.0, 19.5)]
    cuts[1].moments["DBZH"].codes[:] = MISSING_CODE
    assert cuts[1].moments["DBZH"].classes[MISSING_CODE] == MISSING
    grid = Grid(106.0, 30.5, 1, 1)
    whole = column(grid_volume(volume([cuts[0], cuts[2]]), grid), 30.5, 106.0)
    broken = column(grid_volume(volume(cuts), grid), 30.5, 106.0)
    arc, _ = ground_position(30.0, 106.0, 30.5, 106.0)
    elevation, _ = beam_through(arc, np.array(grid.levels_m) - 500.0)
    np.testing.assert_array_equal(np.isfinite(whole), (elevation >= 0.0) & (elevation <= 19.5))
    np.testing.assert_array_equal(np.isfinite(broken), (elevation >= 0.0) & (elevation < 0.5))


def test_no_echo_is_a_value_and_unobserved_is_not() -> None:
    east = replace(SITE, id="Z9002", longitude=107.0)
    seen, empty = volume([sweep(a, 40.0) for a in ANGLES]), [sweep(a, np.nan) for a in ANGLES]
    with_empty = mosaic([seen, volume(empty, site=east)], GRID, when=WHEN)
    blind = [sweep(a, np.nan) for a in ANGLES]
    for cut in blind:
        cut.moments["DBZH"].codes[:] = MISSING_CODE
    with_blind = mosaic([seen, volume(blind, site=east)], GRID, when=WHEN)
    middle = {"lat": 30.0, "lon": 106.5, "height": 3000.0}
    half = with_empty.isel(time=0).sel(**middle, method="nearest")
    assert float(half.reflectivity) == pytest.approx(15.0, abs=0.3)  # halfway between two equal radars
    assert int(half.radar_count) == 2
    alone = with_blind.isel(time=0).sel(**middle, method="nearest")
    assert float(alone.reflectivity) == pytest.approx(40.0, abs=1e-4)
    assert int(alone.radar_count) == 1
    assert set(np.unique(with_blind.nearest_radar)) == {0}
    assert set(np.unique(with_empty.nearest_radar)) == {0, 1}


def test_the_mean_lies_between_the_radars_and_one_beside_nothing_is_itself() -> None:
    east = replace(SITE, id="Z9002", longitude=106.9, latitude=30.3)
    one, other = volume([sweep(a, storms) for a in ANGLES]), volume([sweep(a, storms) for a in ANGLES], site=east)
    both = mosaic([one, other], GRID, when=WHEN).reflectivity.to_numpy()
    a, b = (grid_volume(v, GRID, max_range_m=300_000).reflectivity.to_numpy() for v in (one, other))
    np.testing.assert_array_equal(np.isnan(both), np.isnan(a) & np.isnan(b))
    assert np.nanmax(both - np.fmax(a, b)) < 1e-3
    assert np.nanmin(both - np.fmin(a, b)) > -1e-3
    only_a = np.isnan(b) & ~np.isnan(a)
    np.testing.assert_allclose(both[only_a], a[only_a], atol=1e-4)


def test_order_does_not_matter_and_of_one_radar_the_nearest_in_time_is_used() -> None:
    east = replace(SITE, id="Z9002", longitude=106.9)
    now, other = volume([sweep(a, storms) for a in ANGLES]), volume([sweep(0.5, 10.0), sweep(1.5, 10.0)], site=east)
    old = volume([sweep(0.5, 60.0), sweep(1.5, 60.0)], start=WHEN - timedelta(minutes=6))
    first, second = mosaic([now, other, old], GRID, when=WHEN), mosaic([old, other, now], GRID, when=WHEN)
    xr.testing.assert_identical(first, second)
    assert first.attrs["radars"] == ["Z9001", "Z9002"]
    assert float(first.reflectivity.max()) < 56


def no_dbz(start: datetime) -> Volume:
    cut = sweep(0.5, 60.0)
    cut.moments["VRADH"] = cut.moments.pop("DBZH")
    return volume([cut], start=start)


def test_a_volume_without_tilts_hides_no_older_one() -> None:
    old = volume([sweep(a, 30.0) for a in ANGLES], start=WHEN - timedelta(minutes=6))
    ds = mosaic([old, no_dbz(WHEN)], GRID, when=WHEN)
    assert ds.attrs["radars"] == ["Z9001"]
    assert ds.attrs["radar_times"] == ["2020-06-12T05:33:20Z"]
    assert ds.attrs["radars_without_tilts"] == []


def test_a_scrap_hides_no_volume_and_serves_alone() -> None:
    old = volume([sweep(a, 30.0) for a in ANGLES], start=WHEN - timedelta(minutes=6))
    scrap = volume([sweep(0.5, 60.0), sweep(1.45, 60.0)])
    for volumes in ([old, scrap], [scrap, old]):
        assert float(mosaic(volumes, GRID, when=WHEN).reflectivity.max()) == pytest.approx(30.0, abs=1e-3)
    assert float(mosaic([scrap], GRID, when=WHEN).reflectivity.max()) == pytest.approx(60.0, abs=1e-3)
    shorter = volume([sweep(a, 50.0) for a in ANGLES[:-1]])  # 14.1 of 19 deg: no scrap, and nearer
    assert float(mosaic([old, shorter], GRID, when=WHEN).reflectivity.max()) == pytest.approx(50.0, abs=1e-3)


def test_one_id_at_two_places_is_two_radars() -> None:
    here = volume([sweep(a, 30.0) for a in ANGLES])
    there = volume([sweep(a, 30.0) for a in ANGLES], site=replace(SITE, longitude=107.5))
    ds = mosaic([here, there, no_dbz(WHEN)], GRID, when=WHEN)
    assert ds.attrs["radars"] == ["Z9001", "Z9001"]
    assert int(ds.radar_count.max()) == 2


def test_nothing_to_see() -> None:
    without = volume([], site=replace(SITE, id="Z9003"))
    ds = mosaic([without], GRID, when=WHEN)
    check(ds, MOSAIC, what="mosaic")
    assert ds.attrs["radars_without_tilts"] == ["Z9003"]
    assert np.isnan(ds.reflectivity).all()
    assert int(ds.observed.max()) == 0
    assert int(ds.nearest_radar.max()) == -1


def test_range_limit() -> None:
    grid = Grid(106.0, 30.0, 1, 501, 0.01)
    ds = mosaic([volume([sweep(a, 20.0, gates=460) for a in (0.5, 1.5)])], grid, when=WHEN, max_range_m=200_000)
    metres, _ = ground_position(30.0, 106.0, grid.lat, 106.0)
    seen = ds.observed.to_numpy()[0, :, 0] == 2
    assert not seen[metres > 200_000].any()
    assert seen[(metres > 60_000) & (metres <= 200_000)].all()


def test_refusals() -> None:
    with pytest.raises(TimeError):
        mosaic([], GRID, when=datetime(2020, 6, 12))  # noqa: DTZ001 - the naive time is the test
    nowhere = volume([sweep(0.5, 20.0)], site=replace(SITE, latitude=np.nan))
    with pytest.raises(ReadError) as caught:
        mosaic([nowhere], GRID, when=WHEN)
    assert caught.value.reason is Reason.BAD_POSITION


def real_volume(radar_data: Path, site: str) -> Volume:
    (path,) = (radar_data / "cinrad_base").glob(f"*{site}*")
    return read_standard(bz2.decompress(path.read_bytes()), path.name)


def strongest_mesh(ds: xr.Dataset) -> tuple[float, float, float]:
    """(MESH of Witt 1998 [mm], lat, lon), H0 / H-20 = 4600 / 7900 m, trapezoid from H0 up (DOMAIN.md 2.2)."""
    levels = ds.height.to_numpy()
    dbz = np.nan_to_num(ds.reflectivity.to_numpy()[0], nan=-10.0)
    upper = int(np.searchsorted(levels, 4600.0))
    share = (4600.0 - levels[upper - 1]) / (levels[upper] - levels[upper - 1])
    z = np.concatenate([((1 - share) * dbz[upper - 1] + share * dbz[upper])[None], dbz[upper:]])
    height = np.concatenate([[4600.0], levels[upper:]])
    flux = 5e-6 * 10 ** (0.084 * z) * np.clip((z - 40) / 10, 0, 1)
    warm = np.clip((height - 4600) / 3300, 0, 1)[:, None, None]
    shi = 0.1 * np.trapezoid(flux * warm, height, axis=0)
    row, col = np.unravel_index(shi.argmax(), shi.shape)
    return 2.54 * float(shi.max()) ** 0.5, float(ds.lat[row]), float(ds.lon[col])


HUAIAN_STORM = Grid(119.2, 32.6, 41, 41)


@pytest.mark.parametrize(("site", "mesh_mm"), [("Z9517", 46.1), ("Z9523", 45.6)])
def test_known_hail_of_one_radar(radar_data: Path, site: str, mesh_mm: float) -> None:
    mesh, lat, lon = strongest_mesh(grid_volume(real_volume(radar_data, site), HUAIAN_STORM))
    assert mesh == pytest.approx(mesh_mm, rel=0.03)
    assert (lat, lon) == pytest.approx((32.78, 119.40), abs=0.015)


def test_known_hail_of_both_radars(radar_data: Path) -> None:
    volumes = [real_volume(radar_data, site) for site in ("Z9517", "Z9523")]
    mesh, lat, lon = strongest_mesh(mosaic(volumes, HUAIAN_STORM, when=volumes[0].start))
    assert mesh == pytest.approx(46, rel=0.15)
    assert (lat, lon) == pytest.approx((32.78, 119.40), abs=0.03)


def test_real_volume_agrees_with_the_reference(radar_data: Path) -> None:
    vol = real_volume(radar_data, "Z9517")
    ds = grid_volume(vol, Grid(117.5, 31.5, 141, 141, 0.02))
    assert agreement(vol, ds, 1500, near_echo=False) >= 0.97

"""Looks: every scan strategy against a slow reference, blockage, derived reflectivity, times, quality, a late radar."""

import math
import pickle
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numba
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar.synthetic_volumes import MISSING_CODE, SITE, WHEN, sweep, volume
from tests.radar.test_mosaic import ANGLES, real_volume, storms
from wxcore.errors import SchemaError
from wxcore.grid import Grid
from wxcore.radar.looks import Look, look_of
from wxcore.radar.mosaic import mosaic, mosaic_looks
from wxcore.radar.mosaic_kernels import NODE_STEPS, ROW_STEPS
from wxcore.radar.mosaic_late import add_look
from wxcore.radar.mosaic_tables import STEP_M, radial_tables, row_of_distance
from wxcore.radar.tilts import UNOBSERVED, tilts_of
from wxcore.radar.volume import Site, Sweep, Volume
from wxcore.schema import COLUMN_QUALITY, MOSAIC, MOSAIC_QUALITY, check

A_E = 4 / 3 * 6_371_000.0
GRID = Grid(105.0, 29.2, 101, 81, 0.02)
SMALL = Grid(105.6, 29.7, 41, 31, 0.02, (1000.0, 2000.0, 4000.0, 7000.0, 11000.0))


def ecef(lat: float, lon: float) -> tuple[float, float, float]:
    phi, lam, e2 = math.radians(lat), math.radians(lon), 6.69437999014e-3
    n = 6_378_137.0 / math.sqrt(1 - e2 * math.sin(phi) ** 2)
    return n * math.cos(phi) * math.cos(lam), n * math.cos(phi) * math.sin(lam), n * (1 - e2) * math.sin(phi)


def seen_from(site: Site, lat: float, lon: float) -> tuple[float, float]:
    """Ground arc [m] and azimuth [deg]: local east, north; arc over the chord on a sphere of 6371 km is enough here."""
    dx, dy, dz = (b - a for a, b in zip(ecef(site.latitude, site.longitude), ecef(lat, lon), strict=True))
    phi, lam = math.radians(site.latitude), math.radians(site.longitude)
    east = -math.sin(lam) * dx + math.cos(lam) * dy
    north = -math.sin(phi) * (math.cos(lam) * dx + math.sin(lam) * dy) + math.cos(phi) * dz
    chord = math.sqrt(dx * dx + dy * dy + dz * dz)
    return 2 * 6_371_000.0 * math.asin(chord / 2 / 6_371_000.0), math.degrees(math.atan2(east, north)) % 360


def gate_value(look: Look, index: int, arc: float, azimuth: float) -> float | None:
    """dBZ of the nearest gate of a tilt, None where unobserved. Which ray answers is test_tilts' business."""
    tilt = look.tilts[index]
    angle = arc / A_E
    slant = A_E * math.sin(angle) / math.cos(math.radians(tilt.elevation_deg) + angle)
    gate = math.floor((slant - tilt.first_gate_m) / tilt.gate_m + 0.5)
    ray = int(tilt.ray_of[int(azimuth / 360 * tilt.ray_of.size) % tilt.ray_of.size])
    if ray < 0 or not 0 <= gate < tilt.dbz.shape[1]:
        return None
    value = int(tilt.dbz[ray, gate])
    return None if value == UNOBSERVED else value / 100


def one_radar(look: Look, lat: float, lon: float, height: float) -> tuple[float, float] | None:
    """(dBZ, weight) of one radar at a point: DOMAIN.md 1.1 and 1.4 in plain Python."""
    arc, azimuth = seen_from(look.site, lat, lon)
    if arc > 300_000:
        return None
    angle, up = arc / A_E, height - look.site.altitude_m
    elevation = math.degrees(math.atan2(math.cos(angle) - A_E / (A_E + up), math.sin(angle)))
    angles = [tilt.elevation_deg for tilt in look.tilts]
    if elevation < angles[0] - look.half_beam or elevation > angles[-1]:
        return None
    radius = arc * math.radians(look.half_beam)
    off = min(abs(elevation - angle) for angle in angles)
    weight = math.exp(-((arc / 230e3) ** 2)) / (1 + (radius / 3000) ** 2) / (1 + (off / 0.5) ** 2)
    if elevation <= angles[0]:
        value = gate_value(look, 0, arc, azimuth)
        return None if value is None else (value, weight)
    for k, (low, high) in enumerate(pairwise(angles)):
        if low <= elevation <= high:
            below, above = gate_value(look, k, arc, azimuth), gate_value(look, k + 1, arc, azimuth)
            if below is None or above is None:
                return None
            return below + (elevation - low) / (high - low) * (above - below), weight
    return None


def agreement(looks: list[Look], ds: xr.Dataset, points: int, *, echo: bool) -> tuple[float, float]:
    """Parts of random points within 0.1 dB (both missing agree), and with the same observed mask."""
    dbz, count = ds.reflectivity.to_numpy()[0], ds.radar_count.to_numpy()[0]
    pool = np.argwhere(dbz > 0) if echo else np.argwhere(np.ones(dbz.shape, bool))
    chosen = pool[np.random.default_rng(3).integers(0, len(pool), points)]
    near = same = 0
    for z, y, x in chosen:
        place = float(ds.lat[y]), float(ds.lon[x]), float(ds.height[z])
        seen = [found for look in looks if look.tilts and (found := one_radar(look, *place))]
        same += len(seen) == int(count[z, y, x])
        if not seen:
            near += bool(np.isnan(dbz[z, y, x]))
            continue
        mean = sum(value * weight for value, weight in seen) / sum(weight for _, weight in seen)
        near += bool(abs(float(dbz[z, y, x]) - mean) <= 0.1)
    return near / points, same / points


def sector(cut: Sweep, first: float, last: float) -> Sweep:
    keep = (cut.azimuth >= first) & (cut.azimuth < last)
    return part(cut, np.flatnonzero(keep))


def part(cut: Sweep, rays: np.ndarray) -> Sweep:
    moments = {name: replace(moment, codes=moment.codes[rays]) for name, moment in cut.moments.items()}
    return replace(cut, azimuth=cut.azimuth[rays], elevation=cut.elevation[rays], time=cut.time[rays], moments=moments)


def rhi() -> Sweep:
    cut = sweep(5.0, 60.0)
    cut.elevation[:] = np.linspace(0, 30, cut.elevation.size)
    return cut


X_BAND = replace(SITE, id="X9001", longitude=106.4, latitude=30.2, beam_width_deg=0.95, frequency_mhz=9400.0)
STRATEGIES = {
    "one tilt": [sweep(0.5, storms)],
    "twenty tilts": [sweep(0.5 + 1.3 * k, storms) for k in range(20)],
    "any order": [sweep(a, storms) for a in (9.9, 0.5, 19.5, 2.4, 4.3)],
    "split cut": [
        sweep(0.5, storms, gates=460), sweep(0.45, storms, gates=230), *(sweep(a, storms) for a in ANGLES[1:]),
    ],
    "an RHI": [rhi(), *(sweep(a, storms) for a in ANGLES)],
    "sectors": [sector(sweep(a, storms), 40, 170) for a in ANGLES],
    "mixed gates": [
        sweep(a, storms, gate_m=g, gates=int(150_000 / g)) for a, g in zip(ANGLES, (1000, 250, 500) * 3, strict=True)
    ],
    "75 m": [sweep(a, storms, gate_m=75.0, gates=933) for a in ANGLES],
    "720 rays": [sweep(a, storms, rays=720) for a in ANGLES],
    "lost and doubled rays": [part(sweep(a, storms), np.r_[0:100, 104:230, 228:360]) for a in ANGLES],
    "short tilt between": [sweep(a, storms, gates=60 if a == 1.45 else 300) for a in ANGLES],
}  # fmt: skip


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_agrees_with_the_reference(name: str) -> None:
    look = look_of(volume(STRATEGIES[name]))
    ds = mosaic_looks([look], GRID, when=WHEN)
    check(ds, (*MOSAIC, *MOSAIC_QUALITY), what="mosaic")
    near, same = agreement([look], ds, 500, echo=False)
    assert same >= 0.985
    assert near >= 0.97
    assert agreement([look], ds, 500, echo=True)[0] >= 0.95
    assert float(ds.reflectivity.max()) < 56  # the RHI's 60 dBZ is nowhere


def test_mixed_bands_agree_with_the_reference() -> None:
    far = replace(SITE, id="Z9002", longitude=107.3)
    volumes = [
        volume([sweep(a, storms, gates=460) for a in ANGLES]),
        volume([sweep(a, storms, gate_m=75.0, gates=933) for a in (1.5, 3.0, 6.0, 12.0, 20.0, 30.0)], site=X_BAND),
        volume([sweep(a, storms, gate_m=500.0) for a in ANGLES[:5]], site=far),
    ]
    looks = [look_of(v) for v in volumes]
    ds = mosaic_looks(looks, GRID, when=WHEN)
    assert int(ds.radar_count.max()) == 3
    near, same = agreement(looks, ds, 600, echo=False)
    assert near >= 0.97
    assert same >= 0.97
    xr.testing.assert_identical(ds, mosaic(volumes, GRID, when=WHEN))


def test_real_volumes_agree_with_the_reference(radar_data: Path) -> None:
    volumes = [real_volume(radar_data, site) for site in ("Z9517", "Z9523")]
    west = replace(volumes[0], site=replace(volumes[0].site, id="Z9999", longitude=118.0))
    looks = [look_of(v) for v in (*volumes, west)]
    grid = Grid(118.2, 32.2, 101, 81, 0.02)
    for some in ([looks[0]], looks):
        near, same = agreement(some, mosaic_looks(some, grid, when=looks[0].start), 800, echo=False)
        assert near >= 0.97
        assert same >= 0.98


def test_threads_do_not_matter() -> None:
    looks = [look_of(volume([sweep(a, storms) for a in ANGLES], site=site)) for site in (SITE, X_BAND)]
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = mosaic_looks(looks, GRID, when=WHEN)
    finally:
        numba.set_num_threads(before)
    xr.testing.assert_identical(one, mosaic_looks(looks, GRID, when=WHEN))


def test_a_look_survives_the_disk() -> None:
    look = look_of(volume([sweep(a, storms) for a in ANGLES]))
    again = pickle.loads(pickle.dumps(look))
    xr.testing.assert_identical(mosaic_looks([look], SMALL, when=WHEN), mosaic_looks([again], SMALL, when=WHEN))


def test_derived_reflectivity_supersedes_the_codes() -> None:
    cut = sweep(0.5, 20.0, gates=6, qc=(0, 0, 0, 0, 0, 1))
    cut.derived["DBZH"] = np.tile(np.array([33.333, np.nan, -10.0, -25.0, 95.0, 40.0], "f4"), (360, 1))
    (tilt,) = tilts_of(volume([cut]))
    assert tilt.dbz[0].tolist() == [3333, int(UNOBSERVED), -1000, -1000, int(UNOBSERVED), -1000]


def test_blockage_by_hand() -> None:
    cut = sweep(0.5, 30.0, gates=6)
    cut.moments["DBZH"].codes[:, 5] = 1  # no echo
    hidden = np.tile(np.array([0.0, 0.09, 0.1, 0.5, 0.61, 0.5], "f4"), (360, 1))
    hidden[90] = np.nan
    (tilt,) = tilts_of(volume([cut]), blocked={0.7: hidden, 1.5: np.ones((360, 6), "f4")})
    east = int(np.argmin(np.abs(cut.azimuth - 90.5)))
    assert tilt.dbz[(east + 7) % 360].tolist() == [3000, 3000, 3046, 3301, int(UNOBSERVED), -1000]
    assert tilt.dbz[east].tolist() == [3000] * 5 + [-1000]
    (far,) = tilts_of(volume([cut]), blocked={0.9: np.ones((360, 6), "f4")})
    assert (far.dbz[:, :5] == 3000).all()


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_unobserved_grows_with_blockage_and_is_never_empty(one: float, other: float) -> None:
    vol = volume([sweep(a, storms) for a in ANGLES])
    less, more = sorted((one, other))
    fields = [
        mosaic_looks([look_of(vol, blocked={0.5: np.full((360, 1), part, "f4")})], SMALL, when=WHEN).reflectivity
        for part in (less, more)
    ]
    a, b = (field.to_numpy() for field in fields)
    free = mosaic_looks([look_of(vol)], SMALL, when=WHEN).reflectivity.to_numpy()
    assert not (np.isnan(a) & ~np.isnan(b)).any()
    assert not ((b < free - 1e-3) & ~np.isnan(b)).any()
    assert bool(np.isnan(b).sum() > np.isnan(free).sum()) == (more > 0.6)


def timed(angles: tuple[float, ...], start: float, step: float, *, site: Site = SITE) -> Volume:
    """A volume whose tilts are `step` seconds apart, the first `start` seconds after WHEN."""
    zero = np.datetime64("2020-06-12T05:39:20", "ns")
    cuts = [sweep(a, storms) for a in angles]
    for k, cut in enumerate(cuts):
        cut.time[:] = zero + np.timedelta64(int(1000 * (start + k * step)), "ms")
    return volume(cuts, site=site)


def test_observation_time_is_that_of_the_tilts() -> None:
    look = look_of(timed(ANGLES, 10.0, 30.0))
    assert [tilt.time_s for tilt in look.tilts] == [10.0 + 30.0 * k for k in range(9)]
    ds = mosaic_looks([look], GRID, when=WHEN + timedelta(minutes=5))
    dbz, offset = ds.reflectivity.to_numpy(), ds.observation_offset.to_numpy()
    np.testing.assert_array_equal(np.isnan(dbz), np.isnan(offset))
    assert np.nanmin(offset) == pytest.approx(10 - 300, abs=0.1)
    point = ds.observation_offset.isel(time=0).sel(lat=30.4, lon=106.0, height=5000, method="nearest")
    arc, up = 44_360.0, 4500.0
    elevation = math.degrees(math.atan2(math.cos(arc / A_E) - A_E / (A_E + up), math.sin(arc / A_E)))
    assert float(point) == pytest.approx(np.interp(elevation, ANGLES, 10 + 30.0 * np.arange(9)) - 300, abs=2.0)
    east = replace(SITE, id="Z9002", longitude=107.0)
    both = mosaic_looks([look_of(timed(ANGLES, 0, 0)), look_of(timed(ANGLES, 100, 0, site=east))], GRID, when=WHEN)
    middle = both.observation_offset.isel(time=0).sel(lat=30.0, lon=106.5, height=3000, method="nearest")
    assert float(middle) == pytest.approx(50.0, abs=1.5)
    assert np.nanmax(both.observation_offset) == pytest.approx(100.0, abs=1e-3)


def test_a_clock_that_cannot_be_counts_as_the_start() -> None:
    late = timed(ANGLES, 5000.0, 0.0)
    late.sweeps[1].time[:] = np.datetime64("NaT")
    assert {tilt.time_s for tilt in look_of(late).tilts} == {0.0}


def test_quality_is_the_largest_weight() -> None:
    look = look_of(volume([sweep(a, storms) for a in ANGLES]))
    quality = mosaic_looks([look], SMALL, when=WHEN).mosaic_quality.to_numpy()[0]
    seen = mosaic_looks([look], SMALL, when=WHEN).radar_count.to_numpy()[0] > 0
    assert ((quality > 0) == seen).all()
    for z, y, x in np.argwhere(seen)[::97]:
        found = one_radar(look, float(SMALL.lat[y]), float(SMALL.lon[x]), SMALL.levels_m[z])
        if found:
            assert int(quality[z, y, x]) == pytest.approx(max(100 * found[1], 1), abs=1.5)


PLACES = st.tuples(st.floats(29.5, 30.5), st.floats(105.5, 106.6), st.integers(1, 9))


@settings(max_examples=15, deadline=None)
@given(st.lists(PLACES, min_size=1, max_size=4, unique=True), st.integers(0, 2**16))
def test_a_late_radar_gives_the_mosaic_of_all(radars: list[tuple[float, float, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    looks = []
    for k, (lat, lon, tilts) in enumerate(radars):
        cuts = [sweep(a, storms, gates=int(rng.integers(20, 300))) for a in ANGLES[:tilts]]
        cuts[0].moments["DBZH"].codes[rng.random((360, cuts[0].moments["DBZH"].codes.shape[1])) < 0.1] = MISSING_CODE
        site = replace(SITE, id=f"Z{k}", latitude=lat, longitude=lon)
        looks.append(look_of(volume(cuts, site=site, start=WHEN + timedelta(seconds=int(rng.integers(0, 300))))))
    whole = mosaic_looks(looks, SMALL, when=WHEN)
    grown = mosaic_looks(looks[:1], SMALL, when=WHEN, keep_weights=True)
    for look in looks[1:]:
        grown = add_look(grown, look, SMALL)
    for name, close in (
        ("reflectivity", 0.01),
        ("observation_offset", 0.1),
        ("mosaic_quality", 0),
        ("column_offset", 0.1),
    ):
        np.testing.assert_allclose(
            grown[name].to_numpy().astype("f8"), whole[name].to_numpy().astype("f8"), atol=close, rtol=0
        )
    for name in ("radar_count", "observed", "nearest_radar", "column_quality"):
        np.testing.assert_array_equal(grown[name], whole[name])
    assert grown.attrs["radars"] == whole.attrs["radars"]


def test_of_a_column_the_best_quality_and_the_mean_time() -> None:
    look = look_of(volume([sweep(angle, storms) for angle in (0.5, 2.4, 6.0)]))
    ds = mosaic_looks([look], SMALL, when=WHEN - timedelta(seconds=90))
    check(ds, COLUMN_QUALITY, what="columns")
    np.testing.assert_array_equal(ds["column_quality"], ds["mosaic_quality"].max("height"))
    np.testing.assert_allclose(ds["column_offset"], ds["observation_offset"].mean("height"), atol=0.01)
    assert np.isnan(ds["column_offset"]).any()


def test_what_cannot_be_added() -> None:
    look = look_of(volume([sweep(a, storms) for a in ANGLES]))
    with pytest.raises(SchemaError, match="mosaic_weight"):
        add_look(mosaic_looks([look], SMALL, when=WHEN), look, SMALL)
    kept = mosaic_looks([], SMALL, when=WHEN, keep_weights=True)
    empty = add_look(kept, look_of(volume([], site=X_BAND)), SMALL)
    assert empty.attrs["radars_without_tilts"] == ["X9001"]
    first = add_look(empty, look, SMALL)
    assert int(first.radar_count.max()) == 1
    with pytest.raises(SchemaError, match="already"):
        add_look(first, look, SMALL)


def test_limits_of_a_mosaic() -> None:
    with pytest.raises(SchemaError, match="levels"):
        mosaic_looks([], replace(SMALL, levels_m=tuple(float(z) for z in range(257))), when=WHEN)
    with pytest.raises(SchemaError, match="km"):
        mosaic_looks([], SMALL, when=WHEN, max_range_m=600_000)


@pytest.mark.parametrize("range_m", [239_998.0, 307_197.0, 307_199.0, 300_000.0])
def test_the_last_column_has_its_table(range_m: float) -> None:
    tables = radial_tables(((0.5, 500.0, 1000.0, 460), (1.5, 500.0, 1000.0, 460)), 500.0, 0.5, (1000.0,), range_m)
    last = int(np.rint(range_m / STEP_M))
    assert last // NODE_STEPS < tables.gates.shape[0]
    assert last // ROW_STEPS < row_of_distance(range_m).size


def test_more_radars_than_a_byte_counts() -> None:
    looks = [look_of(volume([sweep(0.5, 30.0), sweep(6.0, 30.0)], site=replace(SITE, id=f"Z{k}"))) for k in range(256)]
    tiny = Grid(lon_west=106.2, lat_south=30.2, n_lon=4, n_lat=3, levels_m=(2000.0, 4000.0))
    spread = [replace(look, site=replace(look.site, latitude=30.0 + 1e-4 * k)) for k, look in enumerate(looks)]
    ds = mosaic_looks(spread[:255], tiny, when=WHEN, keep_weights=True)
    assert add_look(ds, spread[255], tiny)["radar_count"].to_numpy().max() == 255

"""Planes of kinematics from volumes made by hand, and from two radars that saw one hail storm."""

import bz2
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar.synthetic_velocities import FOLDED_CODE, doppler, rankine, seen_from_the_side
from wxcore.radar.cinrad import read_standard
from wxcore.radar.geometry import beam_height, ground_position
from wxcore.radar.kinematics import layers_kernels
from wxcore.radar.kinematics.layers import kinematic_planes
from wxcore.radar.planes import PLANE_SHAPE
from wxcore.radar.qc import quality_control
from wxcore.radar.velocity.unfold import unfold
from wxcore.radar.volume import Site, Sweep, Volume
from wxcore.schema import KINEMATICS

SITE = Site("Z9001", "Test", 30.0, 106.0, 500.0)
FLAT = np.full(PLANE_SHAPE, 480.0, dtype="f4")
NAMES = [var.name for var in KINEMATICS]


def volume(*sweeps: Sweep) -> Volume:
    return Volume("test", SITE, datetime(2020, 6, 12, tzinfo=UTC), "VCP", sweeps)


def still(a, r):
    return 0 * a + 0 * r


def falls(values, *, longest=60, bridge=4, rise=5.0) -> np.ndarray:
    ray = np.asarray(values, dtype="f4")[np.newaxis]
    out = np.empty_like(ray)
    layers_kernels.falls(ray, longest, bridge, rise, out)
    return out[0]


def test_a_fall_along_a_ray_is_marked_from_its_peak_to_its_trough():
    found = falls([3, 5, 20, 15, 17, 2, -10, -9, -8, -2, 0, 2])
    np.testing.assert_array_equal(found, [0, 0, 30, 30, 30, 30, 30, 0, 0, 0, 0, 0])


def test_a_fall_ends_at_a_rise_at_a_gap_and_at_its_longest():
    assert falls([20, 10, 16, 0]).tolist() == [10, 10, 16, 16]
    nan = np.nan
    bridged = falls([20, 12, nan, nan, 4, -10], bridge=2)
    np.testing.assert_array_equal(bridged, [30, 30, nan, nan, 30, 30])
    np.testing.assert_array_equal(falls([20, 12, nan, nan, nan, 4, -10], bridge=2), [8, 8, nan, nan, nan, 14, 14])
    steady = falls(-np.arange(100.0), longest=60)
    assert np.nanmax(steady) == 60
    assert (steady == 60).sum() == 61


def test_noise_alone_is_no_fall():
    rng = np.random.default_rng(1)
    assert falls(np.clip(rng.normal(0, 1, 2000), -2.4, 2.4)).max() == 0
    assert falls(np.sort(rng.normal(0, 20, 500))).max() == 0


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 9999), gates=st.integers(0, 60), longest=st.integers(1, 80), bridge=st.integers(0, 5),
    missing=st.floats(0, 1),
)  # fmt: skip
def test_a_fall_is_one_that_is_there(seed, gates, longest, bridge, missing):
    rng = np.random.default_rng(seed)
    v = np.where(rng.random(gates) < missing, np.nan, rng.normal(0, 15, gates).round(1))
    found = falls(v, longest=longest, bridge=bridge)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(v.astype("f4")))
    pairs = [v[a] - v[b] for a in range(gates) for b in range(a, min(gates, a + longest + 1))]
    largest = np.nanmax([0.0, *pairs])
    assert np.nanmax(found, initial=0) <= largest + 1e-3
    assert all(f == 0 or f > 5 for f in found[~np.isnan(found)])
    steps = v[:-1] - v[1:]  # a step that is large enough is within some stretch
    for k in np.flatnonzero(steps > 5):
        assert found[k] > 0 or found[k + 1] > 0 or np.nanmax(found) > steps[k]


def test_every_variable_has_a_plane_of_the_schema():
    planes = kinematic_planes(volume(doppler(still, gates=400)), FLAT)
    assert sorted(planes) == sorted(NAMES)
    for plane in planes.values():
        assert plane.shape == PLANE_SHAPE
        assert plane.dtype == np.float32
    assert not np.isnan(planes["velocity_observed"]).any()


def test_no_cell_between_rays_or_gates_is_left_empty():
    for rays, gate_m in ((300, 250.0), (361, 1000.0), (720, 75.0)):
        gates = int(60_000 / gate_m)
        planes = kinematic_planes(
            volume(doppler(lambda a, r: 8 + still(a, r), rays=rays, gates=gates, gate_m=gate_m)), FLAT
        )
        assert (planes["radial_wind_low"][:, 10:118] == 8).all()
        assert (planes["velocity_observed"][:, 122:] == 0).all()


def test_a_vortex_lands_in_its_cell_and_layer():
    turn, range_m = np.deg2rad(60.5), 40_000.0
    for elevation, name in ((0.5, "azimuthal_shear_low"), (6.0, "azimuthal_shear_mid")):
        field = seen_from_the_side(
            rankine(range_m * np.sin(turn), range_m * np.cos(turn), 3000.0, -25.0), elevation=elevation
        )
        planes = kinematic_planes(volume(doppler(field, elevation=elevation)), FLAT)
        assert planes[name][60, 80] == pytest.approx(-25 / 3000, rel=0.1)
        other = "azimuthal_shear_mid" if name.endswith("low") else "azimuthal_shear_low"
        assert np.isnan(planes[other][60, 80])


def test_the_larger_of_two_tilts_wins_with_its_sign():
    tilts = [doppler(lambda a, r, k=k: k * (r - 30_000) + 0 * a, elevation=e) for e, k in ((0.5, 0.002), (1.5, -0.005))]
    planes = kinematic_planes(volume(*tilts), FLAT)
    assert planes["radial_divergence_low"][10, 60] == pytest.approx(0.002, rel=1e-3)
    assert planes["radial_convergence_low"][10, 60] == pytest.approx(0.005, rel=1e-3)


def test_the_low_wind_knows_where_it_blows():
    planes = kinematic_planes(volume(doppler(lambda a, r: np.where(a < 180, 12.0, -14.0) + 0 * r)), FLAT)
    assert planes["radial_wind_low"][45, 60] == 12
    assert planes["radial_wind_low_azimuth"][45, 60] == 45.5
    assert planes["radial_wind_low"][225, 60] == 14
    assert planes["radial_wind_low_azimuth"][225, 60] == 45.5
    assert planes["radial_wind_low_azimuth"][300, 60] == 120.5


def test_one_wild_gate_is_neither_wind_nor_width():
    sweep = doppler(lambda a, r: 5 + still(a, r), dbz=lambda a, r: 40 + still(a, r), width=lambda a, r: 2 + still(a, r))
    sweep.velocity.values[100, 100] = 50.0
    sweep.moments["WRADH"].codes[100, 100] = 90
    planes = kinematic_planes(volume(sweep), FLAT)
    assert np.nanmax(planes["radial_wind_low"]) == 5
    assert np.nanmax(planes["spectrum_width_low"]) == 2


def test_a_patch_of_few_gates_is_neither_wind_nor_width():
    lone = np.zeros((360, 200), dtype=bool)
    lone[100:102, 100:102] = True  # four gates: no median of five
    sweep = doppler(
        lambda a, r: np.where(lone, 30.0, np.nan), gates=200, dbz=lambda a, r: 40 + still(a, r),
        width=lambda a, r: np.where(lone, 9.0, np.nan),
    )  # fmt: skip
    planes = kinematic_planes(volume(sweep), FLAT)
    assert np.isnan(planes["radial_wind_low"]).all()
    assert np.isnan(planes["spectrum_width_low"]).all()
    assert (planes["velocity_observed"] == 1).sum() > 0


def test_a_valley_below_a_mountain_radar_is_unobserved_not_calm():
    valley = np.full(PLANE_SHAPE, 480.0, dtype="f4")
    valley[90:] = -1600.0
    planes = kinematic_planes(volume(doppler(lambda a, r: 9 + still(a, r), gates=120)), valley)
    assert (planes["radial_wind_low"][:90, 10:58] == 9).all()
    for name in NAMES:
        unseen = planes[name][90:, 10:58]
        if name not in ("velocity_observed", "marc"):
            assert np.isnan(unseen).all(), name
    assert (planes["velocity_observed"][90:, 10:58] == 0).all()


def test_ground_of_unknown_height_is_taken_for_20_m_below_the_antenna():
    sweep = doppler(lambda a, r: 9 + still(a, r), gates=800)
    known, unknown = (kinematic_planes(volume(sweep), ground) for ground in (FLAT, np.full(PLANE_SHAPE, np.nan, "f4")))
    for name in NAMES:
        np.testing.assert_array_equal(known[name], unknown[name])
    last = np.flatnonzero(np.isfinite(known["radial_wind_low"][0])).max()
    assert beam_height((last + 0.5) * 500.0, 0.5) + 20 == pytest.approx(1500, abs=25)


def test_within_5_km_of_the_antenna_nothing_is_said():
    planes = kinematic_planes(volume(doppler(lambda a, r: 9 + still(a, r), gates=160)), FLAT)
    for name in NAMES:
        near = planes[name][:, :10]
        assert (near == 0).all() if name == "velocity_observed" else np.isnan(near).all()


def test_range_folded_is_not_calm_and_low_quality_is_not_seen():
    sweep = doppler(lambda a, r: 7 + still(a, r), gates=160)
    codes, velocity = sweep.moments["VRADH"].codes.copy(), sweep.velocity
    codes[:, 80:] = FOLDED_CODE
    values = np.where(codes == FOLDED_CODE, np.nan, velocity.values).astype("f4")
    quality = velocity.quality.copy()
    quality[:, 40:80] = 49
    sweep = replace(
        sweep, moments={"VRADH": replace(sweep.moments["VRADH"], codes=codes)},
        velocity=replace(velocity, values=values, quality=quality),
    )  # fmt: skip
    planes = kinematic_planes(volume(sweep), FLAT)
    observed = planes["velocity_observed"]
    assert (observed[:, 10:19] == 1).all()
    assert (observed[:, 21:39] == 0).all()
    assert (observed[:, 41:79] == 2).all()
    assert (observed[:, 81:] == 0).all()
    for name in NAMES:
        if name != "velocity_observed":
            assert np.isnan(planes[name][:, 41:79]).all()
    assert (planes["velocity_observed"][:, 41:79] == 2).all()
    both = kinematic_planes(volume(sweep, doppler(lambda a, r: 7 + still(a, r), elevation=0.9, gates=160)), FLAT)
    assert (both["velocity_observed"][:, 10:79] == 1).all()


def test_marc_is_the_convergent_difference_of_the_middle_layer():
    def field(a, r):
        return np.clip(15 - (r - 45_000) / 200, -15, 15) + 0 * a  # from +15 to -15 within 6 km

    sweep = doppler(field, elevation=5.0, dbz=lambda a, r: np.where(a < 180, 40, 10) + 0 * r)
    planes = kinematic_planes(volume(sweep), FLAT)
    assert planes["marc"][45, 96] == pytest.approx(30, abs=0.1)
    assert planes["marc"][45, 80] == 0  # observed, and no convergence
    assert np.isnan(planes["marc"][225, 96])  # too weak an echo
    assert np.isnan(planes["marc"][45, 40])  # below the layer
    assert planes["radial_convergence_mid"][45, 96] == pytest.approx(1 / 200, rel=0.02)
    low = kinematic_planes(volume(doppler(field, elevation=0.5)), FLAT)["marc"]
    assert np.isnan(low[45, 96])
    long = doppler(lambda a, r: np.clip(20 - (r - 35_000) / 1000, -5, 20) + 0 * a, elevation=5.0)
    assert np.nanmax(kinematic_planes(volume(long), FLAT)["marc"]) == pytest.approx(15, abs=0.3)


def test_storm_top_divergence_is_the_divergent_difference_above_8_km():
    def field(a, r):
        return np.clip((r - 60_000) / 250, -20, 20) + 0 * a

    def echo(a, r):
        return np.where(r < 75_000, 30.0, 5.0) + 0 * a

    planes = kinematic_planes(volume(doppler(field, elevation=10.0, dbz=echo)), FLAT)
    assert planes["storm_top_divergence"][45, 118] == pytest.approx(40, abs=0.1)
    assert np.isnan(planes["storm_top_divergence"][45, 160])
    below = kinematic_planes(volume(doppler(field, elevation=5.0, dbz=echo)), FLAT)
    assert np.isnan(below["storm_top_divergence"][45, 118])
    turned = kinematic_planes(volume(doppler(lambda a, r: -field(a, r), elevation=10.0, dbz=echo)), FLAT)
    assert np.nanmax(turned["storm_top_divergence"]) == 0


def test_a_split_cut_takes_its_reflectivity_from_the_other_half():
    blow = doppler(lambda a, r: 9 + still(a, r), gates=160)
    z = doppler(still, gates=40, gate_m=1000.0, dbz=lambda a, r: np.where(a < 180, 30.0, np.nan) + 0 * r)
    z = replace(z, moments={"DBZH": z.moments["DBZH"]}, velocity=None)
    planes = kinematic_planes(volume(z, blow), FLAT)
    assert (planes["radial_wind_low"][2:178, 10:70] == 9).all()
    assert np.isnan(planes["radial_wind_low"][182:358]).all()
    assert (planes["velocity_observed"][:, 10:70] == 1).all()


@settings(max_examples=25, deadline=None)
@given(
    rays=st.integers(0, 40), gates=st.integers(0, 30), seed=st.integers(0, 999),
    elevation=st.sampled_from([-1.0, 0.5, 45.0, 90.0, float("nan")]), gate_m=st.sampled_from([60.0, 1000.0, 9000.0]),
)  # fmt: skip
def test_any_volume_gives_planes_within_the_schema(rays, gates, seed, elevation, gate_m):
    rng = np.random.default_rng(seed)
    azimuth = np.where(rng.random(rays) < 0.1, np.nan, rng.uniform(-10, 370, rays))
    sweep = doppler(
        lambda a, r: rng.choice([-60, -10, 0, 10, 60, np.nan], (rays, gates)), azimuth=azimuth, gates=gates,
        gate_m=gate_m, elevation=elevation, dbz=lambda a, r: rng.choice([30.0, 5.0, np.nan], (rays, gates)),
        width=lambda a, r: rng.choice([2.0, 8.0, np.nan], (rays, gates)),
    )  # fmt: skip
    terrain = rng.choice([np.nan, 0.0, 480.0, 3000.0], PLANE_SHAPE).astype("f4")
    planes = kinematic_planes(volume(sweep), terrain)
    for var in KINEMATICS:
        known = planes[var.name][np.isfinite(planes[var.name])]
        assert ((known >= var.valid_min) & (known <= var.valid_max)).all(), var.name
        assert not np.isinf(planes[var.name]).any()
    assert np.isin(planes["velocity_observed"], (0, 1, 2)).all()


def storm_maximum(planes: dict[str, np.ndarray], site: Site, name: str) -> tuple[float, float, float]:
    """Largest value within 20 km of the hail storm, and its place in km east and north of the storm."""
    distance, azimuth = ground_position(site.latitude, site.longitude, 32.78, 119.40)
    turn, cell = np.deg2rad(np.arange(360) + 0.5)[:, None], (np.arange(460) + 0.5) * 0.5
    east = cell * np.sin(turn) - distance / 1000 * np.sin(np.deg2rad(azimuth))
    north = cell * np.cos(turn) - distance / 1000 * np.cos(np.deg2rad(azimuth))
    near = np.where(np.hypot(east, north) < 20, planes[name], np.nan)
    at = np.nanargmax(near)
    return float(near.flat[at]), float(east.flat[at]), float(north.flat[at])


def test_two_radars_see_the_same_hail_storm(radar_data: Path):
    """Huai'an and Taizhou look at it from 74 and 61 km, at 17 degrees from opposite sides, 72 s apart."""
    found = []
    for name in ("Z9517", "Z9523"):
        path = next((radar_data / "cinrad_base").glob(f"*{name}*"))
        seen = unfold(quality_control(read_standard(bz2.decompress(path.read_bytes()), path.name)))
        planes = kinematic_planes(seen, np.full(PLANE_SHAPE, 10.0, dtype="f4"))
        for var in KINEMATICS:
            known = planes[var.name][np.isfinite(planes[var.name])]
            assert known.size > 5000
            assert ((known >= var.valid_min) & (known <= var.valid_max)).all()
        assert np.nanpercentile(planes["radial_wind_low"], 99) < 25
        found.append({name: storm_maximum(planes, seen.site, name) for name in NAMES})
    a, b = found
    for name, low, high, apart in (
        ("azimuthal_shear_mid", 0.008, 0.012, 1.5), ("azimuthal_shear_low", 0.006, 0.010, 1.5),
        ("radial_wind_low", 12, 18, 4.0), ("storm_top_divergence", 28, 40, 6.0), ("marc", 13, 25, 8.0),
    ):  # fmt: skip
        assert low < a[name][0] < high, name
        assert low < b[name][0] < high, name
        assert np.hypot(a[name][1] - b[name][1], a[name][2] - b[name][2]) < apart, name
    assert a["azimuthal_shear_mid"][0] == pytest.approx(b["azimuthal_shear_mid"][0], rel=0.1)

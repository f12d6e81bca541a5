"""Quality control: what is no weather gets its flag, what is a storm keeps its gates."""

import bz2
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wxcore.radar import qc_kernels
from wxcore.radar.cinrad import read_standard
from wxcore.radar.geometry import beam_height
from wxcore.radar.qc import qc_summary, quality_control
from wxcore.radar.volume import (
    ECHO,
    MISSING,
    NO_ECHO,
    QC_CLUTTER,
    QC_GOOD,
    QC_NON_MET,
    QC_SPECKLE,
    QC_SPIKE,
    Moment,
    Site,
    Sweep,
    Volume,
)

RAYS, GATES, GATE_M = 360, 300, 1000.0
TILTS = (0.5, 1.45, 2.4, 3.35, 4.3, 6.0, 9.9, 14.6, 19.5)
AZIMUTH = np.arange(RAYS) + 0.5
RANGE = (np.arange(GATES) + 0.5) * GATE_M
CLASSES = np.full(256, ECHO, dtype=np.uint8)
CLASSES[0], CLASSES[1:5] = NO_ECHO, MISSING


def moment(values, scale, offset):
    """u1 codes of values; NaN is code 0, no echo."""
    codes = np.where(np.isnan(values), 0, np.clip(np.round(np.nan_to_num(values) * scale + offset), 5, 255))
    return Moment(codes.astype(np.uint8), scale, offset, GATE_M / 2, GATE_M, CLASSES)


def sweep(elevation, z, **others):
    moments = {"DBZH": moment(z, 2.0, 66.0)}
    scales = {
        "VRADH": (2.0, 129.0),
        "WRADH": (2.0, 129.0),
        "RHOHV": (200.0, 5.0),
        "PHIDP": (0.6, 5.0),
        "SNRH": (2.0, 40.0),
    }
    moments |= {name: moment(values, *scales[name]) for name, values in others.items()}
    rays = z.shape[0]
    time = np.full(rays, np.datetime64("2026-07-01T06:00:12", "ns"))
    angles = np.full(rays, elevation, dtype=np.float32)
    return Sweep(elevation, AZIMUTH[:rays].astype(np.float32), angles, time, 27.0, moments)


def volume(*sweeps):
    site = Site("Z9230", "重庆", 29.522, 106.489, 438.8)
    return Volume("test", site, datetime(2026, 7, 1, 6, 0, 12, tzinfo=UTC), "VCP21", sweeps)


def storm(elevation, *, core=58.0, top_m=13_000.0):
    """A rough storm 8 km across at azimuth 90, 60 km, that ends at `top_m`; NaN without echo."""
    rng = np.random.default_rng(int(elevation * 100))
    x = RANGE[np.newaxis] * np.sin(np.deg2rad(AZIMUTH))[:, np.newaxis] - 60_000
    y = RANGE[np.newaxis] * np.cos(np.deg2rad(AZIMUTH))[:, np.newaxis]
    height = beam_height(RANGE, elevation)[np.newaxis]
    z = core - 30 * (np.hypot(x, y) / 8000) ** 2 - 15 * (height / top_m) ** 4 + rng.normal(0, 2, x.shape)
    return np.where((z > 0) & (height < top_m), z, np.nan)


def storm_volume(change=lambda elevation, z: z, still=False):
    """A storm in all tilts, with velocities near zero if `still`."""
    rng = np.random.default_rng(5)
    sweeps = []
    for elevation in TILTS:
        z = change(elevation, storm(elevation))
        wind = np.zeros_like(z) if still else np.full_like(z, 12.0)
        v = np.where(np.isnan(z), np.nan, wind + rng.normal(0, 0.3, z.shape))
        sweeps.append(sweep(elevation, z, VRADH=v, WRADH=np.where(np.isnan(z), np.nan, 1.0)))
    return volume(*sweeps)


def flags(vol, tilt=0):
    return quality_control(vol).sweeps[tilt].qc


@pytest.mark.parametrize("still", [False, True])
def test_a_storm_is_untouched_even_when_it_stands_still(still):
    vol = storm_volume(still=still)
    for before, after in zip(vol.sweeps, quality_control(vol).sweeps, strict=True):
        strong = before.moments["DBZH"].values() >= 40
        assert (after.qc[strong] == QC_GOOD).all(), before.fixed_angle
        assert after.moments is before.moments  # values kept


def clutter_patch(elevation, z):
    """40 to 60 dBZ at random in 10 deg x 12 km at azimuth 200, in the lowest tilt only."""
    patch = np.random.default_rng(3).uniform(40, 60, (10, 12))
    if elevation < 1:
        z = z.copy()
        z[200:210, 20:32] = patch
    return z


def test_ground_clutter_is_flagged_by_its_three_witnesses():
    assert (flags(storm_volume(clutter_patch, still=True))[200:210, 20:32] == QC_CLUTTER).mean() > 0.95


def test_clutter_like_echo_that_moves_stays():
    assert (flags(storm_volume(clutter_patch, still=False))[200:210, 20:32] == QC_GOOD).all()


def test_clutter_like_echo_under_echo_aloft_stays():
    vol = storm_volume(lambda e, z: clutter_patch(0.5, z), still=True)
    assert not (flags(vol)[200:210, 20:32] == QC_CLUTTER).any()


def test_nothing_is_clutter_where_no_tilt_looked_aloft():
    vol = volume(storm_volume(clutter_patch, still=True).sweeps[0])
    assert not (flags(vol) == QC_CLUTTER).any()


@pytest.mark.parametrize("with_doppler", [True, False])
def test_mountain_of_74_dbz_in_two_tilts_does_not_survive(with_doppler):
    def mountain(elevation, z):
        z = z.copy()
        if elevation < 2:
            z[130:135, 24:28] = 74.0
        return z

    vol = storm_volume(mountain, still=True)
    if not with_doppler:
        vol = volume(*(replace(s, moments={"DBZH": s.moments["DBZH"]}) for s in vol.sweeps))
    done = quality_control(vol)
    for k in (0, 1):
        assert (done.sweeps[k].qc[130:135, 24:28] == QC_CLUTTER).all()
        kept = np.where(done.sweeps[k].qc == QC_GOOD, done.sweeps[k].moments["DBZH"].values(), np.nan)
        assert np.nanmax(kept) < 66


def crossing_core(*, seconds, speed=28.0):
    """A compact core of 60 dBZ at azimuth 0, 30 km, that moves east: later, higher tilts see it elsewhere."""
    vol = volume()
    sweeps = []
    for k, elevation in enumerate(TILTS):
        east = RANGE[np.newaxis] * np.sin(np.deg2rad(AZIMUTH))[:, np.newaxis] - speed * seconds * k
        north = RANGE[np.newaxis] * np.cos(np.deg2rad(AZIMUTH))[:, np.newaxis] - 30_000
        z = 60 - 20 * (np.hypot(east, north) / 2500) ** 2
        z = np.where(z > 0, z, np.nan)
        radial = speed * np.sin(np.deg2rad(AZIMUTH))[:, np.newaxis] * np.ones_like(z)  # away from the radar
        one = sweep(elevation, z, VRADH=np.where(np.isnan(z), np.nan, radial))
        sweeps.append(replace(one, time=one.time + np.timedelta64(seconds * k, "s")))
    return replace(vol, sweeps=tuple(sweeps))


def test_the_core_of_a_storm_that_crosses_the_beam_stays():
    vol = crossing_core(seconds=45)
    for before, after in zip(vol.sweeps, quality_control(vol).sweeps, strict=True):
        assert (after.qc[before.moments["DBZH"].values() >= 40] == QC_GOOD).all(), before.fixed_angle


def test_a_pillar_is_a_mountain_if_it_is_rough_or_stands_still():
    def pillar(values, *, still):
        def change(elevation, z):
            z = z.copy()
            if elevation < 2:
                z[130:140, 24:34] = values
            return z

        return flags(storm_volume(change, still=still))[132:138, 26:32]

    rough = 50.0 + 8.0 * (np.arange(10) % 2)
    assert (pillar(50.0, still=False) == QC_GOOD).all()
    assert (pillar(50.0, still=True) == QC_CLUTTER).all(), "so strong, so shallow and not moving: a mountain too"
    assert (pillar(rough, still=True) == QC_CLUTTER).all()


def test_learnt_ground_needs_no_texture_and_never_takes_a_storm():
    """30 dBZ, smooth, no velocity, nothing aloft: rain to one volume, but not where echo is always."""

    def change(elevation, z):
        z = z.copy()
        if elevation < 2:
            z[130:140, 24:34] = 30.0
        return z

    vol = storm_volume(change)
    vol = replace(vol, sweeps=tuple(replace(s, moments={"DBZH": s.moments["DBZH"]}) for s in vol.sweeps))
    ground = {float(elevation): np.ones((360, 300), dtype=bool) for elevation in TILTS}
    plain, known = quality_control(vol).sweeps[0], quality_control(vol, ground).sweeps[0]
    assert (plain.qc[132:138, 26:32] == QC_GOOD).all()
    assert (known.qc[132:138, 26:32] == QC_CLUTTER).all()
    for before, after in zip(vol.sweeps, quality_control(vol, ground).sweeps, strict=True):
        assert (after.qc[before.moments["DBZH"].values() >= 40] == QC_GOOD).all(), "a storm above it stays"
    elsewhere = {15.0: ground[float(TILTS[0])]}
    assert (quality_control(vol, elsewhere).sweeps[0].qc == plain.qc).all()


def test_doppler_cut_is_found_beside_the_surveillance_cut():
    """Split cut: velocity in a sweep of its own, with other ray order."""
    full = storm_volume(clutter_patch, still=True)
    low = full.sweeps[0]
    order = np.roll(np.arange(RAYS), 77)
    doppler = replace(
        low, azimuth=low.azimuth[order], fixed_angle=0.6,
        moments={n: replace(low.moments[n], codes=low.moments[n].codes[order]) for n in ("VRADH", "WRADH")},
    )  # fmt: skip
    bare = replace(low, moments={"DBZH": low.moments["DBZH"]})
    paired = flags(volume(bare, doppler, *full.sweeps[1:]))
    np.testing.assert_array_equal(paired, flags(full))
    assert quality_control(volume(bare, doppler)).sweeps[1].qc is None


@pytest.mark.parametrize("power", [False, True])
def test_a_spike_is_flagged_and_the_storm_under_it_stays(power):
    level = 12.0 + (20 * np.log10(RANGE / 100_000) if power else 0 * RANGE)

    def spike(elevation, z):
        z = z.copy()
        for ray in (90, 300):
            z[ray] = np.fmax(z[ray], level)
        return z

    vol = storm_volume(spike)
    qc, z = flags(vol), vol.sweeps[0].moments["DBZH"].values()
    assert (qc[300, 100:] == QC_SPIKE).all()
    assert (qc[90, 100:] == QC_SPIKE).all()
    assert (qc[90][z[90] > 40] == QC_GOOD).all()
    assert not (qc[301:] == QC_SPIKE).any()


def test_widespread_rain_is_no_spike():
    rain = np.random.default_rng(1).normal(25, 3, (RAYS, GATES))
    assert not (flags(volume(sweep(0.5, rain))) == QC_SPIKE).any()


def test_echo_all_round_above_any_weather_is_interference():
    noise = np.random.default_rng(1).normal(15, 1, (RAYS, GATES))
    qc = flags(volume(sweep(9.9, noise)))
    assert (qc[:, 100:] == QC_SPIKE).mean() > 0.99


def short(vol, gates):
    """The volume of a radar that looks only so far."""
    return replace(
        vol,
        sweeps=tuple(
            replace(s, moments={n: replace(m, codes=m.codes[:, :gates]) for n, m in s.moments.items()})
            for s in vol.sweeps
        ),
    )


@pytest.mark.parametrize(("rays", "flag"), [(8, QC_GOOD), (2, QC_SPIKE)])
def test_beyond_100_km_a_short_radar_has_narrow_spikes_and_bands_of_rain(rays, flag):
    z = np.full((RAYS, GATES), np.nan)
    z[358 : 358 + rays, 60:] = 28.0
    z[: max(rays - 2, 0), 60:] = 28.0  # across north
    qc = flags(short(volume(sweep(0.5, z)), 150))
    assert (qc[358:, 100:] == flag).all()
    assert (qc[: rays - 2, 100:] == flag).all()


def test_a_wide_spike_is_found_where_the_radar_looks_far():
    z = np.full((RAYS, GATES), np.nan)
    z[90:98] = 28.0
    assert (flags(volume(sweep(0.5, z)))[90:98, 100:] == QC_SPIKE).all()


def test_speckle_is_smaller_than_nine_gates_across_north():
    z = np.full((RAYS, GATES), np.nan)
    z[358:, 50:52] = 20.0  # 4 + 6 gates that meet at north, 10 in all
    z[0:2, 52:55] = 20.0
    z[100:102, 80:84] = 20.0  # 8
    z[150:153, 80:83] = 20.0  # 9
    qc = flags(volume(sweep(9.9, z)))
    assert (qc[358:, 50:52] == QC_GOOD).all()
    assert (qc[0:2, 52:55] == QC_GOOD).all()
    assert (qc[100:102, 80:84] == QC_SPECKLE).all()
    assert (qc[150:153, 80:83] == QC_GOOD).all()
    sector = flags(volume(sweep(9.9, z[:90])))
    assert (sector[0:2, 52:55] == QC_SPECKLE).all()


def dual_pol(z, rho, *, rough=0.0, snr=40.0):
    rng = np.random.default_rng(2)
    phase = 60 + rng.uniform(-rough, rough, z.shape)
    return volume(
        sweep(9.9, z, RHOHV=np.full_like(z, rho), PHIDP=phase, SNRH=np.full_like(z, snr)),
    )


@pytest.mark.parametrize(
    ("dbz", "rho", "rough", "snr", "flag"),
    [
        (30, 0.98, 0, 40, QC_GOOD),
        (30, 0.80, 0, 40, QC_NON_MET),
        (30, 0.98, 60, 40, QC_NON_MET),
        (30, 0.98, 0, 1, QC_NON_MET),
        (55, 0.70, 60, 40, QC_GOOD),  # big hail
        (55, 0.50, 0, 40, QC_NON_MET),
        (44, 0.70, 0, 40, QC_NON_MET),
        (12, 0.95, 0, 15, QC_NON_MET),  # insects
        (12, 0.95, 0, 30, QC_GOOD),
        (12, 0.99, 0, 15, QC_GOOD),
    ],
)
def test_dual_polarisation(dbz, rho, rough, snr, flag):
    z = np.full((RAYS, GATES), np.nan)
    z[50:80, 40:90] = dbz
    qc = flags(dual_pol(z, rho, rough=rough, snr=snr))
    assert (qc[52:78, 45:85] == flag).mean() > 0.9


@pytest.mark.parametrize(("around", "flag"), [(44.0, QC_GOOD), (29.0, QC_SPECKLE)])
def test_hail_among_strong_echo_that_polarisation_rejects_is_no_speckle(around, flag):
    z = np.full((RAYS, GATES), np.nan)
    z[50:80, 40:90] = around
    z[60:62, 60:63] = 50.0  # six gates
    qc = flags(dual_pol(z, 0.80))
    assert (qc[60:62, 60:63] == flag).all()
    assert qc[55, 50] == QC_NON_MET


@pytest.mark.parametrize("system", [0, 60, 180, 359])
def test_rain_whose_phase_passes_360_deg_stays_rain(system):
    z = np.full((RAYS, GATES), np.nan)
    z[50:80, 40:90] = 35.0
    vol = dual_pol(z, 0.98)
    phase = np.mod(system + 0.5 * (np.arange(GATES) - 65) + np.random.default_rng(4).normal(0, 2, z.shape), 360.0)
    codes = np.round(phase * 0.6 + 5).astype(np.uint8)
    moments = vol.sweeps[0].moments
    low = replace(vol.sweeps[0], moments={**moments, "PHIDP": replace(moments["PHIDP"], codes=codes)})
    assert not (flags(volume(low)) == QC_NON_MET).any()


def test_polarimetric_moments_on_other_gates_are_not_used():
    vol = dual_pol(np.full((RAYS, GATES), 30.0), 0.5)
    low = vol.sweeps[0]
    fine = replace(low.moments["RHOHV"], gate_m=250.0)
    assert not (flags(volume(replace(low, moments={**low.moments, "RHOHV": fine}))) == QC_NON_MET).any()


def test_summary_counts_every_echo_once():
    vol = quality_control(storm_volume(clutter_patch, still=True))
    counts = qc_summary(vol)
    assert list(counts) == ["good", "speckle", "spike", "clutter", "non_meteorological"]
    assert sum(counts.values()) == sum(int(np.isfinite(s.moments["DBZH"].values()).sum()) for s in vol.sweeps)
    assert counts["clutter"] == sum(int((s.qc == QC_CLUTTER).sum()) for s in vol.sweeps) > 100
    assert sum(qc_summary(storm_volume()).values()) == 0


def test_odd_sweeps_pass():
    nothing = sweep(0.5, np.full((RAYS, GATES), np.nan))
    one_ray = sweep(1.5, np.full((1, 12), 30.0))
    lost = replace(sweep(2.5, np.full((RAYS, GATES), 30.0)), azimuth=np.full(RAYS, np.nan, np.float32))
    done = quality_control(volume(nothing, one_ray, lost))
    assert not done.sweeps[0].qc.any()
    assert all(s.qc.shape == s.moments["DBZH"].codes.shape for s in done.sweeps)


def sizes_by_flood(mask, wrap):
    """Component sizes by breadth-first search."""
    rays, gates = mask.shape
    out, seen = np.zeros(mask.shape, int), np.zeros(mask.shape, bool)
    for start in zip(*np.nonzero(mask), strict=True):
        if seen[start]:
            continue
        seen[start], patch, todo = True, [], deque([start])
        while todo:
            i, g = todo.popleft()
            patch.append((i, g))
            for a in (i - 1, i, i + 1):
                for b in (g - 1, g, g + 1):
                    ray = a % rays if wrap else a
                    if 0 <= ray < rays and 0 <= b < gates and mask[ray, b] and not seen[ray, b]:
                        seen[ray, b] = True
                        todo.append((ray, b))
        for place in patch:
            out[place] = len(patch)
    return out


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(3, 9), st.integers(1, 9)), elements=st.integers(0, 1)), st.booleans())
def test_component_sizes_agree_with_a_flood(mask, wrap):
    out = np.empty(mask.shape, dtype=np.int32)
    qc_kernels.component_sizes(mask, wrap, out)
    np.testing.assert_array_equal(out, sizes_by_flood(mask, wrap))


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float32, (2, 12), elements=st.one_of(st.just(float("nan")), st.floats(0, 360, width=32))))
def test_spread_is_the_standard_deviation_of_the_unwrapped_window(values):
    out = np.empty_like(values)
    qc_kernels.spread(values, 3, 3, out)
    unwrapped = values.astype(float)
    for ray in unwrapped:
        ray[np.isfinite(ray)] = np.unwrap(ray[np.isfinite(ray)], period=360.0)
    for g in range(12):
        window = unwrapped[:, max(g - 3, 0) : g + 4]
        for ray in range(2):
            known = window[ray][np.isfinite(window[ray])]
            expected = known.std() if known.size >= 3 else np.nan
            assert out[ray, g] == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_spread_across_north_by_hand():
    out = np.empty((1, 4), dtype=np.float32)
    qc_kernels.spread(np.array([[358.0, 2.0, 358.0, 2.0]], dtype=np.float32), 3, 3, out)
    np.testing.assert_allclose(out, 2.0)  # +-2 deg about 0


def test_texture_of_a_saw_and_of_a_slope():
    saw = np.tile(np.where(np.arange(20) % 2, 30.0, 20.0).astype(np.float32), (3, 1))
    slope = np.tile(np.arange(20, dtype=np.float32) * 3, (3, 1))
    for z, squares, turns in ((saw, 100, 100), (slope, 9, 0)):
        tdbz, spin = np.empty_like(z), np.empty_like(z)
        qc_kernels.texture(z, 3, 2.0, True, tdbz, spin)
        assert tdbz[1, 10] == pytest.approx(squares)
        assert spin[1, 10] == pytest.approx(turns)


@pytest.mark.parametrize(
    ("name", "strongest"),
    [
        ("Z_RADR_I_Z9517_20200612053920_O_DOR_SA_CAP_FMT.bin.bz2", 65.5),
        ("Z_RADR_I_Z9523_20200612054032_O_DOR_SA_CAP_FMT.bin.bz2", 68.0),
    ],
)
def test_the_real_hail_storm_survives(radar_data, name, strongest):
    """DATA.md: storm at 32.78N 119.40E."""
    raw = bz2.decompress((radar_data / "cinrad_base" / name).read_bytes())
    vol = quality_control(read_standard(raw, name))
    controlled = [s for s in vol.sweeps if s.qc is not None]
    kept, total, best = 0, 0, -np.inf
    for s in controlled:
        m = s.moments["DBZH"]
        z = m.values()
        r = m.first_gate_m + m.gate_m * np.arange(z.shape[1])
        north = r * np.cos(np.deg2rad(s.azimuth))[:, np.newaxis]
        east = r * np.sin(np.deg2rad(s.azimuth))[:, np.newaxis]
        lat = vol.site.latitude + north / 111_200
        lon = vol.site.longitude + east / (111_200 * np.cos(np.deg2rad(vol.site.latitude)))
        near = (z >= 40) & (np.hypot(lat - 32.78, (lon - 119.40) * 0.84) < 0.25)
        total, kept = total + int(near.sum()), kept + int((s.qc[near] == QC_GOOD).sum())
        best = max(best, float(np.nanmax(np.where(s.qc == QC_GOOD, z, np.nan))))
    assert best == strongest
    assert total > 300
    assert kept / total > 0.99
    assert qc_summary(vol)["good"] > 0.98 * sum(qc_summary(vol).values())

"""Velocity dealiasing: truth restored, real sweeps held against Py-ART, any input survived."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar.velocity_fields import CLASSES, fold, outflow, rankine, sheared_wind, sweep, truth, volume
from wxcore.landing.identify import identify
from wxcore.landing.unpack import unpack
from wxcore.pipeline.formats import FORMATS
from wxcore.radar.geometry import beam_height
from wxcore.radar.velocity.nyquist import nyquist_of
from wxcore.radar.velocity.unfold import unfold
from wxcore.radar.velocity.wind import WindProfile, wind_profile
from wxcore.radar.volume import FOLDED, Moment
from wxcore.schema import HEAD_BYTES

TILTS = (0.5, 1.5, 4.3)

PYART = {
    "Z9517-cinrad-standard-20200612": {
        1: (48, 150401, 2),
        3: (2, 144481, 0),
        4: (5, 137589, 0),
        5: (4, 131008, 0),
        6: (0, 126063, 9),
        7: (2, 111455, 33),
        8: (0, 95834, 67),
        9: (0, 75778, 0),
        10: (0, 59035, 0),
    },
    "Z9523-cinrad-standard-20200612": {
        1: (163, 130074, 142),
        3: (94, 100696, 217),
        4: (74, 87025, 248),
        5: (181, 78776, 186),
        6: (66, 72744, 158),
        7: (79, 63410, 282),
        8: (103, 46358, 185),
        9: (135, 45019, 68),
        10: (54, 39433, 88),
    },
    "ZG170-cinrad-standard-20260329": {0: (63, 76474, 44), 1: (48, 108590, 38)},
    "Z9517-cinrad-legacy-20200612": {
        1: (48, 150401, 2),
        3: (2, 144481, 0),
        4: (5, 137589, 0),
        5: (4, 131008, 0),
        6: (0, 126063, 9),
        7: (2, 111455, 33),
        8: (0, 95834, 67),
        9: (0, 75778, 0),
        10: (0, 59035, 0),
    },
    "KDMX-nexrad-level2-20220305": {1: (2318, 189615, 10194)},
    "KLBB-nexrad-level2-20160601": {
        1: (308, 168495, 295),
        3: (16, 166149, 33),
        4: (24, 76941, 41),
        5: (42, 66728, 17),
        6: (17, 59123, 29),
        7: (44, 49811, 10),
        8: (15, 32202, 18),
        9: (11, 19963, 6),
        10: (0, 14060, 2),
    },
    "KTLX-nexrad-level2-19910605": {
        1: (2, 87337, 4),
        3: (1, 87121, 20),
        4: (0, 91263, 1),
        5: (0, 89583, 0),
        6: (0, 91176, 70),
        7: (2, 79706, 2886),
        8: (0, 73509, 412),
        9: (0, 55714, 79),
        10: (0, 45163, 19),
    },
    "KTLX-nexrad-level2-20140101": {
        1: (4693, 5298, 2),
        3: (0, 7059, 0),
        4: (1, 3425, 16),
        5: (9, 2740, 5),
        6: (4, 2579, 1),
    },
    "KFTG-nexrad-level2-20150430": {
        1: (276, 50741, 2590),
        3: (203, 29361, 209),
        5: (303, 18646, 67),
        6: (127, 12090, 74),
        7: (215, 11247, 122),
        8: (32, 9528, 171),
        9: (43, 8958, 63),
        10: (57, 8686, 72),
        11: (21, 7846, 49),
    },
    "AU40-odim-h5-20181220": {
        0: (18, 22985, 66),
        1: (19, 22742, 76),
        2: (37, 22976, 145),
        3: (7, 23610, 158),
        4: (15, 23408, 105),
        5: (6, 22022, 83),
        6: (10, 19867, 96),
        7: (16, 18432, 66),
        8: (24, 17121, 80),
        9: (14, 15297, 116),
        10: (126, 15043, 143),
        11: (94, 13411, 140),
        12: (61, 11145, 501),
        13: (172, 7820, 83),
    },
}
"""Gates that Py-ART 2.3.0 `dealias_region_based` (default settings, rays in order of azimuth) folds by -1 or less, by
0, and by +1 or more, by file and sweep."""

PYART_WRONG = {("KTLX-nexrad-level2-20140101", 1), ("KFTG-nexrad-level2-20150430", 1), ("AU40-odim-h5-20181220", 12)}
"""Looked at (docs/dealiasing.md): clear air at 60 m/s beside gates at rest; islands far off their surroundings."""
CLEAR_AIR = {"KFTG-nexrad-level2-20150430"}
"""Of 10,000 gates a sweep near the radar, 2 % flicker between +-28 m/s at two spots on an east-west line (traffic?)."""


def restored(found, true):
    """Part of the true gates that came out on the right fold."""
    known = np.isfinite(true)
    return (np.abs(found.values - true)[known] < found.nyquist / 2).mean()


def folded_volume(field, nyquist, **options):
    trues = [truth(field, elevation, seed=k, **options) for k, elevation in enumerate(TILTS)]
    return trues, volume(
        [sweep(fold(t, nyquist), nyquist=nyquist, elevation=e) for t, e in zip(trues, TILTS, strict=True)]
    )


@pytest.mark.parametrize("nyquist", [8.6, 13.0, 27.0])
@pytest.mark.parametrize(
    "field",
    [partial(sheared_wind, 40.0), partial(sheared_wind, 25.0), partial(rankine, 50.0), partial(outflow, 6000.0)],
    ids=["wind 40", "wind 25", "vortex 50", "front 35"],
)
def test_truth_is_restored(field, nyquist):
    trues, measured = folded_volume(field, nyquist)
    for found, true in zip(unfold(measured).sweeps, trues, strict=True):
        assert restored(found.velocity, true) >= 0.995


@pytest.mark.parametrize(("width", "nyquist"), [(3000.0, 13.0), (1000.0, 27.0), (500.0, 27.0)])
def test_fronts_as_sharp_as_the_nyquist_velocity_lets_see(width, nyquist):
    """35 m/s over 3 km is a third of 13 m/s from gate to gate; sharper ones are ambiguous for any method."""
    true = truth(partial(outflow, width), 0.5, gates=800, gate_m=250.0)
    found = unfold(volume([sweep(fold(true, nyquist), nyquist=nyquist, gate_m=250.0)])).sweeps[0].velocity
    assert restored(found, true) >= 0.995


def test_background_decides_what_the_sweep_cannot():
    """A sector of uniform 30 m/s at a Nyquist velocity of 13 looks like 4 m/s: only the wind tells."""
    true = np.full((60, 200), 30.0)
    measured = volume([sweep(fold(true, 13.0), nyquist=13.0, azimuth=60 + np.arange(60.0))])
    levels = np.arange(0.0, 20_000.0, 500.0)
    wind = WindProfile(levels, np.full(levels.size, 30.0), np.zeros(levels.size))
    assert restored(unfold(measured).sweeps[0].velocity, true) == 0
    assert restored(unfold(measured, background=wind).sweeps[0].velocity, true) == 1


def test_the_wind_of_one_volume_serves_the_next():
    field = partial(sheared_wind, 40.0)
    _, first = folded_volume(field, 27.0)
    wind = wind_profile(unfold(first))
    height = beam_height(500.0 * (np.arange(200) + 1), 4.3)
    u, v = wind.at(height)
    assert np.array_equal(np.isfinite(u), np.isfinite(v))
    known = np.isfinite(u)
    assert known.sum() > 100
    direction = np.deg2rad(70 + height / 1000 * 6)
    speed = 40 * np.clip(height / 5000, 0.25, 1)
    assert np.abs(u - speed * np.sin(direction))[known].max() < 2
    # the same air seen through a sector only, folded six times as often
    true = truth(field, 4.3)[40:80]
    part = sweep(fold(true, 8.6), nyquist=8.6, elevation=4.3, azimuth=np.arange(40, 80) + 0.5)
    assert restored(unfold(volume([part]), background=wind).sweeps[0].velocity, true) >= 0.995


def test_islands_are_folded_as_the_tilt_below_says():
    """Far from everything else in its own sweep, and folded; the tilt below sees it beside the rest."""
    field = partial(sheared_wind, 40.0)
    low, high = truth(field, 1.5, holes=False), truth(field, 2.4, holes=False)
    alone = np.full(high.shape, np.nan)
    alone[:, 5:30] = high[:, 5:30]
    alone[60:80, 90:110] = high[60:80, 90:110]
    measured = volume([sweep(fold(low, 13.0), nyquist=13.0, elevation=1.5),
                       sweep(fold(alone, 13.0), nyquist=13.0, elevation=2.4)])  # fmt: skip
    assert restored(unfold(measured).sweeps[1].velocity, alone) >= 0.995


def test_noise_does_not_spread():
    """Gates of no meaning among good ones: the good ones stay right, the others get a low quality."""
    rng = np.random.default_rng(5)
    true = truth(partial(sheared_wind, 30.0), 1.5, holes=False)
    bad = rng.random(true.shape) < 0.1
    measured = np.where(bad, rng.uniform(-13, 13, true.shape), fold(true, 13.0))
    found = unfold(volume([sweep(measured, nyquist=13.0, elevation=1.5)])).sweeps[0].velocity
    assert restored(found, np.where(bad, np.nan, true)) >= 0.995
    assert found.quality[~bad].mean() > 80
    lost = bad & (np.abs(found.values - true) > 10)
    assert found.quality[lost].mean() < 30
    assert 0.5 < found.score < 0.95


def test_checkerboard_noise_gets_no_trust():
    rng = np.random.default_rng(6)
    found = unfold(volume([sweep(rng.uniform(-13, 13, (360, 400)), nyquist=13.0)])).sweeps[0].velocity
    assert found.quality.mean() < 40
    assert found.score < 0.15


def test_smooth_air_is_left_alone_and_trusted():
    true = truth(partial(sheared_wind, 20.0), 0.5, holes=False)
    found = unfold(volume([sweep(true, nyquist=27.0)])).sweeps[0].velocity
    np.testing.assert_allclose(found.values, true, atol=0.006)
    assert found.quality.min() > 90
    assert found.score == 1
    assert found.nyquist == 27.0


def test_range_folded_gates_stay_apart_from_missing_ones():
    true = truth(partial(sheared_wind, 20.0), 0.5, holes=False)
    measured = sweep(fold(true, 13.0), nyquist=13.0)
    codes = measured.moments["VRADH"].codes
    codes[20:40, 100:200], codes[60:80, 100:200] = 1, 0
    found = unfold(volume([measured])).sweeps[0]
    assert np.isnan(found.velocity.values[20:40, 100:200]).all()
    assert (found.velocity.quality[20:40, 100:200] == 0).all()
    assert (found.moments["VRADH"].classes[found.moments["VRADH"].codes] == FOLDED).sum() == 2000
    assert np.isfinite(found.velocity.values).sum() == true.size - 4000


def test_sweeps_without_velocity_and_everything_else_stay():
    true = truth(partial(sheared_wind, 20.0), 0.5)
    doppler = sweep(fold(true, 13.0), nyquist=13.0)
    other = replace(doppler, moments={"DBZH": doppler.moments["VRADH"]})
    measured = volume([other, doppler])
    found = unfold(measured)
    assert found.sweeps[0] is other
    assert found.sweeps[1].moments is doppler.moments
    assert found.remarks == measured.remarks == ()


# --- the Nyquist velocity -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stated", [6.5, 8.57, 26.0, 40.0, np.nan, 0.0, -1.0, 1e-6, 1e9])
def test_wrong_nyquist_is_found_said_and_replaced(stated):
    trues, measured = folded_volume(partial(sheared_wind, 40.0), 13.0)
    wrong = volume([replace(s, nyquist=stated) for s in measured.sweeps])
    found = unfold(wrong)
    assert len(found.remarks) == 3
    assert all("13.0" in remark for remark in found.remarks)
    for one, true in zip(found.sweeps, trues, strict=True):
        assert one.velocity.nyquist == pytest.approx(13.0, abs=0.1)
        assert restored(one.velocity, true) >= 0.99


def test_calm_air_proves_no_header_wrong():
    true = truth(partial(sheared_wind, 8.0), 0.5)
    found = unfold(volume([sweep(true, nyquist=27.0)]))
    assert found.remarks == ()
    np.testing.assert_allclose(found.sweeps[0].velocity.values, true, atol=0.006)


def test_without_a_nyquist_velocity_and_without_folds_there_is_no_velocity():
    found = unfold(volume([sweep(truth(partial(sheared_wind, 8.0), 0.5), nyquist=np.nan)]))
    assert found.sweeps[0].velocity is None
    assert "no Nyquist velocity" in found.remarks[0]


def test_unfolded_velocities_are_not_damaged():
    true = truth(partial(sheared_wind, 40.0), 1.5)
    found = unfold(volume([sweep(true, nyquist=13.0)]))
    np.testing.assert_allclose(found.sweeps[0].velocity.values, true, atol=0.006)
    assert "unfolded already" in found.remarks[0]
    assert np.median(found.sweeps[0].velocity.quality[np.isfinite(true)]) > 90


def test_contradictions_get_no_quality():
    """Folded at 13 by half, at 20 by the other half of the circle: neither proves right."""
    true = truth(partial(sheared_wind, 40.0), 1.5)
    measured = np.concatenate([fold(true[:180], 13.0), fold(true[180:], 9.0) * 1.0])
    measured[::7] = true[::7]
    found = unfold(volume([sweep(measured, nyquist=9.0)]))
    assert found.remarks
    assert found.sweeps[0].velocity.quality.max() == 0
    assert found.sweeps[0].velocity.score == 0


def test_a_few_stray_codes_do_not_move_the_nyquist_velocity():
    true = truth(partial(sheared_wind, 40.0), 1.5)
    measured = fold(true, 13.0)
    measured[::40, 7] = 55.0
    assert nyquist_of(sweep(measured, nyquist=13.0)).remark == ""
    assert nyquist_of(sweep(measured, nyquist=np.nan)).used == pytest.approx(13.0, abs=0.1)


# --- rays as they come ----------------------------------------------------------------------------------------------


def test_the_order_of_rays_does_not_matter():
    true = truth(partial(sheared_wind, 40.0), 1.5)
    measured = sweep(fold(true, 13.0), nyquist=13.0, elevation=1.5)
    first = unfold(volume([measured])).sweeps[0].velocity
    turn = np.random.default_rng(3).permutation(360)
    mixed = replace(measured, azimuth=measured.azimuth[turn], moments={"VRADH": replace(
        measured.moments["VRADH"], codes=measured.moments["VRADH"].codes[turn])})  # fmt: skip
    second = unfold(volume([mixed])).sweeps[0].velocity
    np.testing.assert_array_equal(second.values, first.values[turn])
    np.testing.assert_array_equal(second.quality, first.quality[turn])


@pytest.mark.parametrize("azimuth", [
    (np.arange(360) + 0.5) * 1.0 + 200,  # starts in the south, beyond 360
    np.sort(np.random.default_rng(1).uniform(0, 360, 360)),
    np.repeat(np.arange(180) * 2.0, 2),  # every azimuth twice
    np.r_[np.arange(100) + 0.5, np.arange(104, 364) + 0.5],  # four lost rays, and the circle overlaps
    (np.arange(360) + 0.5) * 0.4 + 300,  # a sector across north
], ids=["turned", "uneven", "twice", "lost", "sector"])  # fmt: skip
def test_rays_anywhere(azimuth):
    slant = 500.0 * (np.arange(300) + 1)
    true = sheared_wind(25.0, np.deg2rad(azimuth)[:, None], slant[None, :], 1.5)
    measured = sweep(fold(true, 13.0), nyquist=13.0, elevation=1.5, azimuth=np.asarray(azimuth) % 360)
    levels = np.arange(0.0, 20_000.0, 250.0)
    towards, strength = np.deg2rad(70 + levels / 1000 * 6), 25 * np.clip(levels / 5000, 0.25, 1)
    wind = WindProfile(levels, strength * np.sin(towards), strength * np.cos(towards))
    assert restored(unfold(volume([measured]), background=wind).sweeps[0].velocity, true) >= 0.995


@pytest.mark.parametrize("rays", [300, 348, 366, 720])
def test_any_number_of_rays(rays):
    true = truth(partial(sheared_wind, 40.0), 1.5, rays=rays)
    found = unfold(volume([sweep(fold(true, 13.0), nyquist=13.0, elevation=1.5)])).sweeps[0].velocity
    assert restored(found, true) >= 0.995


# --- properties -----------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    speed=st.floats(0, 38), towards=st.floats(0, 360), divergence=st.floats(-6, 6), nyquist=st.floats(9, 32),
    start=st.floats(0, 360),
)  # fmt: skip
def test_any_smooth_field_comes_back(speed, towards, divergence, nyquist, start):
    azimuth = (start + np.arange(360)) % 360
    slant = np.arange(1, 81) / 80
    field = speed * np.cos(np.deg2rad(azimuth - towards))[:, None] * (0.5 + 0.5 * slant) + divergence * slant
    measured = sweep(fold(field, nyquist), nyquist=nyquist, azimuth=azimuth, gate_m=1000.0)
    found = unfold(volume([measured])).sweeps[0].velocity
    np.testing.assert_allclose(found.values, field, atol=0.02)
    assert found.score == 1


@st.composite
def any_sweep(draw):
    """Codes without sense, angles without sense, headers without sense."""
    rays, gates = draw(st.integers(0, 12)), draw(st.integers(0, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["noise", "missing", "range folded", "extremes", "flat"]))
    codes = {
        "noise": rng.integers(0, 65_536, (rays, gates)), "missing": np.zeros((rays, gates)),
        "range folded": np.ones((rays, gates)), "extremes": rng.choice([0, 1, 2, 65_535], (rays, gates)),
        "flat": np.full((rays, gates), 33_768),
    }[kind].astype(np.uint16)  # fmt: skip
    azimuth = draw(st.sampled_from(["even", "nan", "same", "random", "infinite"]))
    angles = {
        "even": np.arange(rays) * 360 / max(rays, 1), "nan": np.full(rays, np.nan), "same": np.full(rays, 77.0),
        "random": rng.uniform(-400, 800, rays), "infinite": np.where(rng.random(rays) < 0.5, np.inf, 10.0),
    }[azimuth]  # fmt: skip
    nyquist = draw(st.sampled_from([np.nan, 0.0, -5.0, 1e-6, 2.0, 13.0, 149.0, np.inf]))
    elevation = draw(st.sampled_from([np.nan, -1.0, 0.5, 45.0, 90.0]))
    one = sweep(np.full((rays, gates), np.nan), nyquist=nyquist, azimuth=angles, elevation=elevation)
    scale = draw(st.sampled_from([0.01, 2.0, 100.0, 1e6]))
    gate_m, first_m = draw(st.sampled_from([(250.0, 125.0), (0.0, 0.0), (1000.0, -375.0)]))
    return replace(one, moments={"VRADH": Moment(codes, scale, 32_768.0, first_m, gate_m, CLASSES)})


@settings(max_examples=100, deadline=None)
@given(st.lists(any_sweep(), max_size=4), st.booleans())
def test_any_input_returns_whole_folds(sweeps, with_wind):
    levels = np.array([0.0, 5000.0, 10_000.0])
    wind = WindProfile(levels, np.array([5.0, np.nan, 200.0]), np.array([0.0, 1.0, -50.0])) if with_wind else None
    for before, after in zip(sweeps, unfold(volume(sweeps), background=wind).sweeps, strict=True):
        found = after.velocity
        if found is None:
            continue
        measured = before.moments["VRADH"].values()
        assert found.values.shape == found.quality.shape == measured.shape
        np.testing.assert_array_equal(np.isnan(found.values), np.isnan(measured))
        assert (found.quality[np.isnan(measured)] == 0).all()
        assert found.quality.max(initial=0) <= 100
        turns = ((found.values.astype(float) - measured) / (2 * found.nyquist))[np.isfinite(measured)]
        np.testing.assert_allclose(
            turns, np.rint(turns), atol=2e-3 + 1e-6 * np.abs(measured).max(initial=0, where=np.isfinite(measured))
        )
        assert np.isnan(found.score) or 0 <= found.score <= 1


# --- real sweeps ----------------------------------------------------------------------------------------------------


def read(path: Path):
    unpacked = unpack(path, name=path.name)
    found = identify(unpacked.data[:HEAD_BYTES], path.name, FORMATS)
    return found.read(unpacked.data, path.name)


FILES = {
    "cinrad_base": "Z_RADR_*", "cinrad_base_legacy": "Z_RADR_*", "nexrad_l2": "*", "odim": "40_*",
}  # fmt: skip


def test_real_sweeps_against_py_art(radar_data):
    """At most 1 % of a sweep's gates are folded otherwise (counts by fold), but where Py-ART was seen to be wrong."""
    seen = set()
    for path in sorted(p for folder, files in FILES.items() for p in (radar_data / folder).glob(files)):
        measured = read(path)
        found = unfold(measured)
        name = f"{measured.site.id}-{measured.format}-{measured.start:%Y%m%d}"
        assert found.remarks == measured.remarks
        for number, one in enumerate(found.sweeps):
            if one.velocity is None:
                assert "VRADH" not in one.moments
                continue
            raw = one.moments["VRADH"].values()
            folds = np.rint((one.velocity.values - raw) / (2 * one.velocity.nyquist))[np.isfinite(raw)]
            counts = np.array([(folds < 0).sum(), (folds == 0).sum(), (folds > 0).sum()])
            oracle = np.array(PYART[name][number])
            assert counts.sum() == oracle.sum()
            moved = np.abs(counts - oracle).sum() / 2 / oracle.sum()
            seen.add((name, number))
            if (name, number) in PYART_WRONG:
                assert np.nanpercentile(np.abs(one.velocity.values), 95) < 45
                continue
            limit = 0.02 if name in CLEAR_AIR else 0.01
            assert moved <= limit, (name, number, counts, oracle)
            assert one.velocity.score > 0.9, (name, number, one.velocity.score)
    assert len(seen) == sum(len(sweeps) for sweeps in PYART.values())


def test_the_tornado_of_2022_03_05_keeps_its_couplet(radar_data):
    """KDMX, 99 km SSE: inbound 30 m/s, folded to +26, beside outbound 10 m/s, which nothing must weld together."""
    found = unfold(read(radar_data / "nexrad_l2" / "KDMX20220305_232324.bin")).sweeps[1]
    rays = (found.azimuth > 168.5) & (found.azimuth < 170.0)
    gates = slice(382, 395)  # 97.6 to 100.6 km
    inbound = found.velocity.values[rays, gates]
    assert (found.moments["VRADH"].values()[rays, gates] > 20).sum() > 20
    assert np.nanmax(inbound) < -20
    beside = found.velocity.values[(found.azimuth > 170.5) & (found.azimuth < 172.0), gates]
    assert np.nanmax(beside) > 10

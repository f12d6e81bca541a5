"""Which sweeps become tilts, and which ray answers for an azimuth."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar.synthetic_volumes import sweep, volume
from wxcore.radar.tilts import (
    AZIMUTH_STEPS,
    NO_ECHO_HUNDREDTHS,
    UNOBSERVED,
    half_beam_deg,
    ray_table,
    tilt_elevations,
    tilts_of,
)
from wxcore.radar.volume import QC_CLUTTER, QC_GOOD, QC_NON_MET, QC_SPECKLE, QC_SPIKE, Site, Sweep

STEP = 360 / AZIMUTH_STEPS


def at(table: np.ndarray, azimuth: float) -> int:
    return int(table[int(azimuth / STEP)])


def test_nearest_ray_across_north_in_any_order() -> None:
    azimuth = np.roll(np.arange(360.0) + 0.5, 123)
    table = ray_table(azimuth)
    assert azimuth[at(table, 0.2)] == 0.5
    assert azimuth[at(table, 359.9)] == 359.5
    assert (table >= 0).all()


def test_a_gap_is_unobserved_and_one_lost_ray_is_bridged() -> None:
    azimuth = np.delete(np.arange(360.0), [50, *range(100, 110)])
    table = ray_table(azimuth)
    assert at(table, 50.3) >= 0
    assert at(table, 105.0) == -1
    assert azimuth[at(table, 100.4)] == 99.0
    assert at(table, 100.6) == -1
    assert (table == -1).sum() * STEP == pytest.approx(8.0, abs=2 * STEP)  # 99 + 1.5 to 110 - 1.5


def test_of_two_passes_the_later_ray_is_taken_and_one_without_azimuth_never() -> None:
    table = ray_table(np.array([*np.arange(360.0), 10.0, np.nan]))
    assert at(table, 10.0) == 360
    assert 361 not in table
    assert (ray_table(np.array([np.nan])) == -1).all()


@pytest.mark.parametrize("offset", [0.02, 0.1, 0.24, 0.3, 0.5])
@pytest.mark.parametrize("second", [30, 300, 360])
def test_two_revolutions_leave_no_azimuth_unseen(offset: float, second: int) -> None:
    table = ray_table(np.concatenate([np.arange(360) + 0.5, np.arange(second) + 0.5 + offset]))
    assert (table >= 0).all()


def test_two_revolutions_of_a_sector_reach_no_farther_than_one() -> None:
    sector = np.arange(315.0, 405.0) % 360
    table = ray_table(np.concatenate([sector, sector + 0.02]))
    assert (table >= 0).sum() * STEP == pytest.approx(92.0, abs=0.2)  # 89 deg and 1.5 to each side


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 360, width=32), min_size=2, max_size=400), st.integers(0, AZIMUTH_STEPS - 1))
def test_no_other_ray_is_nearer(azimuths: list[float], step: int) -> None:
    azimuth = np.array(azimuths)
    wanted = (step + 0.5) * STEP
    apart = np.abs((azimuth - wanted + 180) % 360 - 180)
    ray = ray_table(azimuth)[step]
    if ray >= 0:
        assert apart[ray] == pytest.approx(apart.min(), abs=1e-6)
    else:
        gaps = [gap for gap in np.diff(np.unique(azimuth % 360)) if gap >= 0.25]
        alone = 1.0 if np.unique(azimuth % 360).size == 1 else 0.25
        assert apart.min() > 1.5 * (np.median(gaps) if gaps else alone) - 1e-6


def test_tilts_ascend_and_a_split_cut_counts_once() -> None:
    doppler_only = sweep(0.52, 20.0)
    doppler_only.moments["VRADH"] = doppler_only.moments.pop("DBZH")
    tilts = tilts_of(
        volume([sweep(1.5, 20.0), sweep(0.5, 10.0, gates=230), sweep(0.48, 20.0, gates=460), doppler_only])
    )
    assert [tilt.elevation_deg for tilt in tilts] == [0.48, 1.5]
    assert tilts[0].dbz.shape[1] == 460
    assert (tilts[0].dbz == 2000).all()


def derived(one: Sweep, dbz: float, *, corrected: bool) -> Sweep:
    """With a derived DBZH, as polarimetry leaves it at C band; `corrected` by PHIDP."""
    names = ("DBZH", "PHIDP") if corrected else ("DBZH",)
    values = {name: np.full(one.moments["DBZH"].codes.shape, dbz, np.float32) for name in names}
    return replace(one, derived=values)


def test_of_a_split_cut_the_corrected_sweep_is_taken_and_the_farther_goes_on_beyond() -> None:
    far = derived(sweep(0.5, 20.0, gates=460), 21.0, corrected=False)
    near = derived(sweep(0.52, 20.0, gates=230), 35.0, corrected=True)
    turned = np.roll(near.azimuth, 100)
    turned[7] = np.nan
    mark = far.derived["DBZH"]
    mark[:, 300:] = far.azimuth[:, np.newaxis] / 10
    for cuts in ([far, replace(near, azimuth=turned)], [replace(near, azimuth=turned), far]):
        (tilt,) = tilts_of(volume(cuts))
        assert tilt.elevation_deg == 0.52
        assert (tilt.dbz[:, :230] == 3500).all()
        known = np.isfinite(turned)
        assert (tilt.dbz[known, 230:300] == 2100).all()
        np.testing.assert_allclose(tilt.dbz[known, 350] / 100, turned[known] / 10, atol=0.1)
        assert (tilt.dbz[7, 230:] == UNOBSERVED).all()
    (short,) = tilts_of(volume([far, near]), max_range_m=100_000.0)
    assert (short.dbz == 3500).all()


@pytest.mark.parametrize(("gates", "expected"), [(120, 3500), (100, 2100)])
def test_with_other_gates_the_corrected_sweep_is_taken_if_it_reaches_half_as_far(gates: int, expected: int) -> None:
    far = derived(sweep(0.5, 20.0, gates=230), 21.0, corrected=False)
    near = derived(sweep(0.52, 20.0, gates=2 * gates), 35.0, corrected=True)
    near = replace(near, moments={"DBZH": replace(near.moments["DBZH"], gate_m=500.0)})
    (tilt,) = tilts_of(volume([far, near]))
    assert (tilt.dbz == expected).all()


def test_of_equal_or_farther_sweeps_the_corrected_one_is_taken_whole() -> None:
    plain, corrected = sweep(0.5, 20.0, gates=230), derived(sweep(0.52, 20.0, gates=230), 35.0, corrected=True)
    (tilt,) = tilts_of(volume([plain, corrected]))
    assert (tilt.dbz == 3500).all()
    longer = derived(sweep(0.54, 20.0, gates=460), 36.0, corrected=True)
    (tilt,) = tilts_of(volume([plain, corrected, longer]))
    assert (tilt.dbz == 3600).all()


def test_calibration_sweeps_and_rhis_are_no_tilts() -> None:
    rhi = sweep(5.0, 20.0)
    rhi.elevation[:] = np.linspace(0, 30, rhi.elevation.size)
    assert tilts_of(volume([sweep(90.0, 20.0), rhi])) == ()


def test_quality_control_classes() -> None:
    one = sweep(0.5, 29.5, gates=6, qc=(QC_GOOD, QC_SPECKLE, QC_SPIKE, QC_CLUTTER, QC_NON_MET, QC_SPECKLE))
    one.moments["DBZH"].codes[:, 5] = 0  # missing before quality control
    (tilt,) = tilts_of(volume([one]))
    empty, unknown = int(NO_ECHO_HUNDREDTHS), int(UNOBSERVED)
    assert tilt.dbz[0].tolist() == [2950, empty, unknown, unknown, empty, unknown]


@pytest.mark.parametrize("dbz", [30.0, 44.0, 60.0])
def test_a_strong_echo_that_dual_polarisation_rejects_is_unknown_not_empty(dbz: float) -> None:
    (tilt,) = tilts_of(volume([sweep(0.5, dbz, gates=3, qc=(QC_GOOD, QC_NON_MET, QC_SPECKLE))]))
    assert tilt.dbz[0].tolist() == [100 * dbz, int(UNOBSERVED), int(NO_ECHO_HUNDREDTHS)]


def test_elevations_are_those_of_the_tilts() -> None:
    doppler_only = sweep(0.52, 20.0)
    doppler_only.moments["VRADH"] = doppler_only.moments.pop("DBZH")
    assert tilt_elevations(volume([sweep(4.3, 20.0), sweep(0.5, 10.0), doppler_only, sweep(90.0, 20.0)])) == (0.5, 4.3)


def test_codes_become_hundredths_and_nothing_is_invented() -> None:
    one = sweep(0.5, 30.0, gates=6)
    codes = one.moments["DBZH"].codes
    codes[:, 0], codes[:, 1], codes[:, 2], codes[:, 3], codes[:, 4] = 0, 1, 2, 6, 255
    (tilt,) = tilts_of(volume([one]))
    # missing; no echo; folded; (6 - 66) / 2 = -30 raised to -10; (255 - 66) / 2 = 94.5 dBZ is no weather
    assert tilt.dbz[0].tolist() == [-32_768, -1000, -32_768, -1000, -32_768, 3000]


def test_half_beam_refuses_a_damaged_header() -> None:
    assert half_beam_deg(Site("A", "", 0, 0, 0, beam_width_deg=0.94)) == 0.47
    assert half_beam_deg(Site("A", "", 0, 0, 0, beam_width_deg=np.nan)) == 0.5
    assert half_beam_deg(Site("A", "", 0, 0, 0, beam_width_deg=0.0)) == 0.5

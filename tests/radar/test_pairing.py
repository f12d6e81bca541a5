"""Split cuts: which reflectivity belongs to a Doppler sweep, and what it says on the velocity's gates."""

import bz2
from dataclasses import replace

import numpy as np
import pytest

from tests.radar.synthetic_volumes import CLASSES, MISSING_CODE, volume
from wxcore.radar.cinrad import read_standard
from wxcore.radar.velocity.pairing import dbz_on, reflectivity_of
from wxcore.radar.volume import (
    FOLDED,
    NO_ECHO,
    QC_CLUTTER,
    QC_GOOD,
    QC_NON_MET,
    QC_SPECKLE,
    QC_SPIKE,
    Moment,
    Sweep,
)
from wxcore.schema import NO_ECHO_DBZ

FOLDED_CODE = 2


def cut(elevation, names, *, rays=360, gates=40, start=0.0, gate_m=250.0, at_s=0, first_m=None, codes=None):
    """A sweep whose codes tell where they are: ray number + 10 gate, unless given."""
    azimuth = np.mod(start + (np.arange(rays) + 0.5) * 360 / rays, 360.0).astype("f4")
    if codes is None:
        codes = (66 + np.arange(rays)[:, None] % 90 + np.zeros(gates, int)[None, :]).astype(np.uint8)
    moment = Moment(codes, 2.0, 66.0, gate_m / 2 if first_m is None else first_m, gate_m, CLASSES)
    time = np.full(rays, np.datetime64("2020-06-12T05:40:00", "ns") + np.timedelta64(at_s, "s"))
    return Sweep(elevation, azimuth, np.full(rays, elevation, "f4"), time, 27.0, dict.fromkeys(names, moment))


def test_a_sweep_with_both_is_its_own():
    both = volume([cut(0.5, ["DBZH"]), cut(0.5, ["DBZH", "VRADH"])])
    assert reflectivity_of(both, 1) is both.sweeps[1]


def test_split_cuts_pair_by_elevation_then_time():
    sweeps = [cut(0.5, ["DBZH"]), cut(0.48, ["VRADH"], at_s=30), cut(1.45, ["DBZH"], at_s=60), cut(1.49, ["VRADH"])]
    split = volume(sweeps)
    assert reflectivity_of(split, 1) is split.sweeps[0]
    assert reflectivity_of(split, 3) is split.sweeps[2]


def test_of_equals_the_nearest_in_time_and_without_velocity_wins():
    twice = volume([
        cut(0.5, ["DBZH"], at_s=0), cut(0.5, ["VRADH"], at_s=200), cut(0.5, ["DBZH"], at_s=180),
        cut(0.5, ["DBZH", "VRADH"], at_s=200),
    ])  # fmt: skip
    assert reflectivity_of(twice, 1) is twice.sweeps[2]


def test_farther_than_half_a_degree_is_no_pair():
    assert reflectivity_of(volume([cut(0.5, ["VRADH"]), cut(1.1, ["DBZH"])]), 0) is None


def test_empty_reflectivity_is_none():
    assert reflectivity_of(volume([cut(0.5, ["VRADH"]), cut(0.5, ["DBZH"], gates=0)]), 0) is None


@pytest.mark.parametrize(("rays", "start"), [(360, 0.0), (366, 200.3), (720, 90.0), (348, 359.9)])
def test_mapping_equals_the_slow_nearest_ray_and_gate(rays, start):
    rng = np.random.default_rng(rays)
    codes = rng.integers(0, 200, (rays, 60)).astype(np.uint8)
    reflectivity = cut(0.5, ["DBZH"], rays=rays, start=start, gate_m=1000.0, gates=60, codes=codes)
    doppler = cut(0.5, ["VRADH"], rays=369, start=77.7, gates=300)
    got = dbz_on(doppler, reflectivity)
    moment = reflectivity.moments["DBZH"]
    values = moment.values(no_echo=NO_ECHO_DBZ)
    for ray in rng.integers(0, 369, 30):
        apart = np.abs((reflectivity.azimuth.astype(float) - doppler.azimuth[ray] + 180) % 360 - 180)
        nearest = np.flatnonzero(apart <= apart.min() + 0.06)  # the table of rays has steps of 0.05 deg
        for gate in rng.integers(0, 300, 30):
            slant = 125.0 + 250.0 * gate
            k = int(np.argmin(np.abs(500.0 + 1000.0 * np.arange(60) - slant)))
            options = values[nearest, k] if slant < 60_000 else np.array([np.nan])
            options = np.maximum(options, NO_ECHO_DBZ)
            assert any(np.array_equal(got[ray, gate], np.float32(o), equal_nan=True) for o in options), (ray, gate)


def test_classes_and_quality_control_are_told_apart():
    codes = np.full((360, 8), 66 + 60, dtype=np.uint8)  # 30 dBZ
    codes[:, 1], codes[:, 2], codes[:, 3] = MISSING_CODE, FOLDED_CODE, 1
    codes[:, 7] = 66 + 40  # 20 dBZ
    assert CLASSES[FOLDED_CODE] == FOLDED
    assert CLASSES[1] == NO_ECHO
    reflectivity = cut(0.5, ["DBZH"], gates=8, codes=codes)
    flags = np.array([QC_GOOD, QC_GOOD, QC_SPECKLE, QC_GOOD, QC_SPECKLE, QC_CLUTTER, QC_SPIKE, QC_NON_MET], np.uint8)
    controlled = replace(reflectivity, qc=np.tile(flags, (360, 1)))
    row = dbz_on(cut(0.5, ["VRADH"], gates=10), controlled)[17]
    nan, empty = np.nan, NO_ECHO_DBZ
    np.testing.assert_array_equal(row, np.float32([30, nan, nan, empty, empty, nan, nan, empty, nan, nan]))


def test_strong_rejected_gates_are_unknown_not_empty():
    """As in `tilts`: 30 dBZ and more that dual polarisation rejects may be hail."""
    codes = np.full((360, 2), 66 + 90, dtype=np.uint8)
    flagged = replace(cut(0.5, ["DBZH"], gates=2, codes=codes), qc=np.full((360, 2), QC_NON_MET, np.uint8))
    assert np.isnan(dbz_on(cut(0.5, ["VRADH"], gates=2), flagged)).all()


def test_chosen_rays_come_in_their_order():
    rng = np.random.default_rng(4)
    reflectivity = cut(0.5, ["DBZH"], codes=rng.integers(0, 200, (360, 40)).astype("u1"))
    doppler = cut(0.5, ["VRADH"], start=0.4)
    chosen = np.array([7, 3, 359, 3])
    np.testing.assert_array_equal(dbz_on(doppler, reflectivity, chosen), dbz_on(doppler, reflectivity)[chosen])


def test_corrected_reflectivity_supersedes_echoes_only():
    codes = np.full((360, 3), 66 + 60, dtype=np.uint8)
    codes[:, 1] = 1
    derived = np.full((360, 3), 41.5, np.float32)
    derived[:, 2] = np.nan
    sweep = replace(cut(0.5, ["DBZH"], gates=3, codes=codes), derived={"DBZH": derived})
    np.testing.assert_array_equal(
        dbz_on(cut(0.5, ["VRADH"], gates=3), sweep)[0], np.float32([41.5, NO_ECHO_DBZ, np.nan])
    )


def test_lost_rays_and_unknown_azimuths_say_nothing():
    whole = cut(0.5, ["DBZH"])
    part = replace(whole, azimuth=whole.azimuth[:180], moments={"DBZH": replace(
        whole.moments["DBZH"], codes=whole.moments["DBZH"].codes[:180])})  # fmt: skip
    doppler = cut(0.5, ["VRADH"], rays=361)
    azimuth = doppler.azimuth.copy()
    azimuth[5] = np.nan
    got = dbz_on(replace(doppler, azimuth=azimuth), part)
    known = np.isfinite(got).all(axis=1)
    assert not known[5]
    assert known[10:170].all()
    assert not known[185:355].any()


@pytest.mark.parametrize(("rays", "gates"), [(0, 0), (1, 1), (1, 0), (2, 3)])
def test_any_shape(rays, gates):
    assert dbz_on(cut(0.5, ["VRADH"], rays=rays, gates=gates), cut(0.5, ["DBZH"])).shape == (rays, gates)
    assert np.isnan(dbz_on(cut(0.5, ["VRADH"]), cut(0.5, ["DBZH"], rays=rays, gates=0))).all()


def test_real_split_cuts(radar_data):
    """Z9517: cuts 1 and 3 are surveillance, 2 and 4 Doppler; wherever there is a velocity there is an echo."""
    name = "Z_RADR_I_Z9517_20200612053920_O_DOR_SA_CAP_FMT.bin.bz2"
    real = read_standard(bz2.decompress((radar_data / "cinrad_base" / name).read_bytes()), name)
    paired = [k for k, sweep in enumerate(real.sweeps) if "VRADH" in sweep.moments]
    found = [next(j for j, s in enumerate(real.sweeps) if s is reflectivity_of(real, k)) for k in paired]
    assert found == [0, 2, 4, 5, 6, 7, 8, 9, 10]
    for number, other in ((1, 0), (3, 2)):
        doppler = real.sweeps[number]
        dbz = dbz_on(doppler, real.sweeps[other])
        assert dbz.shape == (369, 920)
        with_velocity = np.isfinite(doppler.moments["VRADH"].values())
        assert (dbz[with_velocity] > NO_ECHO_DBZ).mean() > 0.95

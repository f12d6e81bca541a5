"""Sweeps that cannot be believed, and rays that are mended: built faults on a synthetic and on a real volume."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar import samples
from wxcore.landing.identify import identify
from wxcore.landing.unpack import unpack
from wxcore.pipeline.formats import FORMATS
from wxcore.radar.cinrad import read_standard
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.remarks import chinese
from wxcore.radar.sane import sound
from wxcore.radar.sane_kernels import products, tally
from wxcore.radar.volume import Sweep, Volume
from wxcore.schema import HEAD_BYTES
from wxcore.simulate.demo import AFTERNOON, DEMO_RADARS, DEMO_WORLD
from wxcore.simulate.radar import scan

TOPS = "tops of storms are unseen"
LOWEST = "the lowest echo is unseen"
NONE_LEFT = "no sweep of the volume can be believed"


@cache
def plain(rays: int = 366) -> Volume:
    """A split cut and two cuts with both moments, at 0.5, 1.5 and 14.6 deg: two storms in a wind that folds."""
    rng = np.random.default_rng(2)
    azimuth = np.arange(rays) * 360 / rays

    def reflectivity(gates: int) -> samples.Moment:
        x, y = _ground(azimuth, 1000.0 * (np.arange(gates) + 0.5))
        dbz = 52 - np.hypot(x - 40e3, y - 30e3) / 900 + 8 * np.sin(x / 9000) * np.cos(y / 7000)
        dbz = np.maximum(dbz, 38 - np.hypot(x + 50e3, y - 10e3) / 1500) + rng.normal(0, 1.5, x.shape)
        return samples.moment(np.where(dbz > 0, np.rint(dbz * 2 + 66), 0).astype("u1"))

    def velocity(name: str, values: np.ndarray) -> samples.Moment:
        return samples.moment(np.rint(values * 2 + 129).astype("u1"), name, 250.0)

    def doppler(gates: int) -> dict[str, samples.Moment]:
        x, y = _ground(azimuth, 250.0 * (np.arange(gates) + 0.5))
        wind = 35 * (x + y) / np.hypot(x, y) + rng.normal(0, 1, x.shape)
        folded = (wind + 26.5) % 53 - 26.5
        seen = np.hypot(x - 40e3, y - 30e3) < 45e3
        width = np.abs(rng.normal(2, 1, x.shape))
        moments = {"VRADH": velocity("VRADH", folded), "WRADH": velocity("WRADH", width)}
        return {name: replace(m, codes=np.where(seen, m.codes, 0).astype("u1")) for name, m in moments.items()}

    return samples.volume(
        samples.sweep({"DBZH": reflectivity(230)}),
        samples.sweep(doppler(460), late_s=30),
        samples.sweep({"DBZH": reflectivity(200), **doppler(460)}, 1.45, late_s=60),
        samples.sweep({"DBZH": reflectivity(70), **doppler(280)}, 14.59, late_s=90),
    )


def _ground(azimuth: np.ndarray, slant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angle = np.deg2rad(azimuth)[:, None]
    return slant * np.sin(angle), slant * np.cos(angle)


@pytest.fixture(scope="module")
def real(radar_data: Path) -> Volume:
    return read(next(radar_data.glob("cinrad_base/*Z9517*")))


def read(path: Path) -> Volume:
    unpacked = unpack(path, name=path.name)
    found = identify(unpacked.data[:HEAD_BYTES], path.name, FORMATS).read(unpacked.data, path.name)
    assert isinstance(found, Volume)
    return found


def take(sweep: Sweep, rays: np.ndarray) -> Sweep:
    moments = {name: replace(moment, codes=moment.codes[rays]) for name, moment in sweep.moments.items()}
    return replace(
        sweep, azimuth=sweep.azimuth[rays], elevation=sweep.elevation[rays], time=sweep.time[rays], moments=moments
    )


def every(volume: Volume, change: Callable[[Sweep], Sweep]) -> Volume:
    return replace(volume, sweeps=tuple(change(sweep) for sweep in volume.sweeps))


def filled(sweep: Sweep, make: Callable[[tuple[int, int], str], np.ndarray], names: tuple[str, ...]) -> Sweep:
    moments = dict(sweep.moments)
    for name in set(names) & set(moments):
        moment = moments[name]
        values = make(moment.codes.shape, name) * moment.scale + moment.offset
        moments[name] = replace(moment, codes=np.rint(values).astype(moment.codes.dtype))
    return replace(sweep, moments=moments)


def noise(sweep: Sweep, names: tuple[str, ...] = ("DBZH", "VRADH", "WRADH")) -> Sweep:
    rng = np.random.default_rng(0)
    spans = {"DBZH": (-5, 60), "VRADH": (-sweep.nyquist, sweep.nyquist), "WRADH": (0, 10)}
    return filled(sweep, lambda shape, name: rng.uniform(*spans[name], shape), names)


def flat(sweep: Sweep) -> Sweep:
    return filled(sweep, lambda shape, name: np.full(shape, 60.0 if name == "DBZH" else 0.5), ("DBZH", "VRADH"))


def constant_power(sweep: Sweep) -> Sweep:
    """The receiver gives one power: Z rises with range, the same in all rays, but for the last bit."""
    rng = np.random.default_rng(0)
    return filled(
        sweep,
        lambda shape, _: -10 + 20 * np.log10(np.arange(shape[1]) + 1.0) + 0.1 * rng.normal(size=shape),
        ("DBZH",),
    )


def rays(volume: Volume) -> int:
    return sum(sweep.azimuth.size for sweep in volume.sweeps)


def n_of(volume: Volume, name: str) -> int:
    return sum(name in sweep.moments for sweep in volume.sweeps)


def told(before: Volume, after: Volume) -> str:
    return "; ".join(after.remarks[len(before.remarks) :])


def check(before: Volume) -> Volume:
    """`sound`, and what must hold whatever it finds."""
    after = sound(before)
    assert sound(after) is after
    assert rays(after) <= rays(before)
    assert len(after.sweeps) <= len(before.sweeps)
    assert after.remarks[: len(before.remarks)] == before.remarks
    assert len(set(after.remarks)) == len(after.remarks)
    assert (after.site, after.start, after.format) == (before.site, before.start, before.format)
    left = iter(before.sweeps)
    for sweep in after.sweeps:
        origin = next(other for other in left if _comes_from(sweep, other))
        for name, moment in sweep.moments.items():
            assert moment.classes is origin.moments[name].classes, name
    return after


def _comes_from(sweep: Sweep, other: Sweep) -> bool:
    """Is every ray one of the other's, in its order, with its azimuth and codes?"""
    if not sweep.moments.keys() <= other.moments.keys():
        return False  # of a sweep without rays nothing else tells
    k = 0
    for ray in range(sweep.azimuth.size):
        while k < other.azimuth.size and not _same_ray(sweep, ray, other, k):
            k += 1
        if k == other.azimuth.size:
            return False
        k += 1
    return True


def _same_ray(sweep: Sweep, ray: int, other: Sweep, k: int) -> bool:
    return bool(sweep.azimuth[ray] == other.azimuth[k]) and all(
        np.array_equal(moment.codes[ray], other.moments[name].codes[k]) for name, moment in sweep.moments.items()
    )


@pytest.fixture(params=["synthetic", "real"])
def volume(request: pytest.FixtureRequest) -> Volume:
    """A sound volume."""
    return plain() if request.param == "synthetic" else request.getfixturevalue("real")


def as_read(volume: Volume) -> Volume:
    """As a file of the standard format gives it back."""
    return read_standard(write_standard(volume))


def test_a_sound_volume_is_the_same_object(volume: Volume):
    assert sound(volume) is volume


REAL = ("cinrad_base/*Z9517*", "cinrad_base/*Z9523*", "cinrad_base/*ZG170*", "cinrad_base_legacy/*",
        "nexrad_l2/KDMX*", "nexrad_l2/KLBB*", "nexrad_l2/KTLX1991*", "nexrad_l2/KTLX2014*", "nexrad_l2/*KFTG*",
        "odim/40_*", "odim/IDR66*")  # fmt: skip
TRUE_OF_REAL = {
    "cinrad_base/*ZG170*": f"only 2 tilts, up to 2.8 deg: {TOPS}; no tilt below 1.7 deg: {LOWEST}",
    "nexrad_l2/KDMX*": f"only 2 tilts, up to 0.9 deg: {TOPS}",
    "nexrad_l2/KTLX2014*": f"only 5 tilts, up to 4.5 deg: {TOPS}",
    "nexrad_l2/*KFTG*": f"only 9 tilts, up to 6.4 deg: {TOPS}",
}
"""What the tilts of these files really cannot see."""


@pytest.mark.parametrize("pattern", REAL)
def test_no_real_volume_is_touched(pattern: str, radar_data: Path):
    path = next(radar_data.glob(pattern))
    volume = read(path)
    after = sound(volume)
    assert after.sweeps is volume.sweeps
    assert told(volume, after) == TRUE_OF_REAL.get(pattern, "")
    assert (after is volume) == (pattern not in TRUE_OF_REAL)


def test_a_simulated_volume_is_not_touched(chongqing):
    site = next(site for site in chongqing.radars_at(AFTERNOON) if site.id in DEMO_RADARS)
    volume = scan(site, DEMO_WORLD, AFTERNOON, seed=1)
    assert sound(volume).sweeps is volume.sweeps


# ---- signal


def test_noise_in_every_sweep_leaves_nothing(volume: Volume):
    bad = as_read(every(volume, noise))
    after = check(bad)
    assert after.sweeps == ()
    assert after.remarks[-1] == NONE_LEFT
    assert f"reflectivity is noise: {n_of(volume, 'DBZH')} of {len(volume.sweeps)} sweeps left out" in after.remarks


def test_noise_in_some_sweeps_leaves_the_others(volume: Volume):
    bad = replace(volume, sweeps=(noise(volume.sweeps[0]), *volume.sweeps[1:]))
    after = check(bad)
    assert [id(s) for s in after.sweeps] == [id(s) for s in volume.sweeps[1:]]
    assert f"reflectivity is noise: 1 of {len(volume.sweeps)} sweeps left out" in told(bad, after)
    assert "no tilt below 1.5 deg" in told(bad, after)


def test_noise_in_velocity_alone_takes_velocity_and_width_alone(volume: Volume):
    both = next(k for k, s in enumerate(volume.sweeps) if {"DBZH", "VRADH"} <= set(s.moments))
    sweeps = list(volume.sweeps)
    sweeps[both] = noise(sweeps[both], ("VRADH",))
    bad = replace(volume, sweeps=tuple(sweeps))
    after = check(bad)
    assert set(after.sweeps[both].moments) == set(volume.sweeps[both].moments) - {"VRADH", "WRADH"}
    assert told(bad, after) == f"velocity is noise: not used in 1 of {len(sweeps)} sweeps"


def test_noise_only_where_there_is_echo_is_noise_too(volume: Volume):
    """The velocity of a wrong pulse pair: only gates with echo hold any."""

    def broken(sweep: Sweep) -> Sweep:
        if "VRADH" not in sweep.moments:
            return sweep
        old, new = sweep.moments["VRADH"], noise(sweep, ("VRADH",)).moments["VRADH"]
        codes = np.where(old.classes[old.codes] == 0, new.codes, old.codes)
        return replace(sweep, moments={**sweep.moments, "VRADH": replace(old, codes=codes)})

    after = check(every(volume, broken))
    assert n_of(after, "VRADH") == 0
    assert n_of(after, "DBZH") == n_of(volume, "DBZH")


def test_velocity_with_a_nyquist_velocity_that_is_wrong_is_no_noise(volume: Volume):
    for factor in (0.5, 2.0, np.nan):
        changed = every(volume, lambda sweep, factor=factor: replace(sweep, nyquist=sweep.nyquist * factor))
        assert sound(changed) is changed


@pytest.mark.parametrize("fault", [flat, constant_power])
def test_a_stuck_receiver_leaves_no_reflectivity(fault: Callable[[Sweep], Sweep], volume: Volume):
    bad = as_read(every(volume, fault))
    after = check(bad)
    assert n_of(after, "DBZH") == 0
    count = n_of(volume, "DBZH")
    assert f"reflectivity is one constant (receiver stuck): {count} of {len(volume.sweeps)} sweeps" in told(bad, after)


def test_a_stuck_velocity_is_not_used(volume: Volume):
    bad = every(volume, lambda sweep: filled(sweep, lambda shape, _: np.full(shape, 0.5), ("VRADH",)))
    after = check(bad)
    assert n_of(after, "VRADH") == 0
    assert n_of(after, "DBZH") == n_of(volume, "DBZH")
    assert "velocity is one constant" in told(bad, after)


def test_wide_rain_is_no_fault():
    """Echo in every gate, smooth, with the noise of 1.5 dB that a radar has."""
    rng = np.random.default_rng(3)
    azimuth = np.arange(360)[:, None]
    dbz = 28 + 7 * np.sin(np.arange(230) / 30) * np.cos(np.deg2rad(3 * azimuth)) + rng.normal(0, 1.5, (360, 230))
    rain = samples.moment(np.rint(dbz * 2 + 66).astype("u1"))
    sweeps = [samples.sweep({"DBZH": rain}, angle) for angle in (0.5, 1.5, 19.5)]
    assert sound(whole := samples.volume(*sweeps)) is whole


@pytest.mark.parametrize(("part", "specks"), [(0.2, (40, 130)), (0.7, (90, 91))])
def test_still_air_and_specks_are_no_fault(part: float, specks: tuple[int, int]):
    """Velocities of 0 +- 0.5 m/s look like noise to a correlation; random echo in a fifth of the gates,
    and the same one in most, fill no sweep."""
    rng = np.random.default_rng(4)
    still = samples.moment(np.rint(rng.normal(0, 0.7, (360, 300)) + 129).astype("u1"), "VRADH", 250.0)
    raw = np.where(rng.random((360, 300)) < part, rng.integers(*specks, (360, 300)), 0).astype("u1")
    moments = {"DBZH": samples.moment(raw, "DBZH", 250.0), "VRADH": still}
    whole = samples.volume(*(samples.sweep(moments, angle) for angle in (0.5, 1.5, 19.5)))
    assert sound(whole) is whole


def test_velocities_that_fold_again_and_again_are_no_noise():
    """They grow by 0.36 of the Nyquist velocity from gate to gate and ray to ray; only on the circle are they close."""
    true = 0.36 * 26.5 * (np.arange(300) + np.arange(360)[:, None])
    folded = (true + 26.5) % 53 - 26.5
    assert np.corrcoef(folded[:, 1:].ravel(), folded[:, :-1].ravel())[0, 1] < 0.15
    velocity = samples.moment(np.rint(folded * 2 + 129).astype("u1"), "VRADH", 250.0)
    moments = {**plain().sweeps[0].moments}
    moments = {name: replace(moment, codes=moment.codes[:360]) for name, moment in moments.items()}
    whole = samples.volume(*(samples.sweep({**moments, "VRADH": velocity}, angle) for angle in (0.5, 19.5)))
    assert sound(whole) is whole


# ---- where the rays look


def test_rays_all_at_one_azimuth_are_left_out(volume: Volume):
    bad = as_read(every(volume, lambda sweep: replace(sweep, azimuth=np.full_like(sweep.azimuth, 45.0))))
    after = check(bad)
    assert after.sweeps == ()
    count = len(volume.sweeps)
    assert told(bad, after) == f"rays all at one azimuth: {count} of {count} sweeps left out; {NONE_LEFT}"


def test_each_third_azimuth_repeated(volume: Volume):
    def repeat(sweep: Sweep) -> Sweep:
        third = np.arange(sweep.azimuth.size) % 3 == 1
        return replace(sweep, azimuth=np.where(third, np.roll(sweep.azimuth, 1), sweep.azimuth))

    bad = as_read(every(volume, repeat))
    after = check(bad)
    for old, new in zip(bad.sweeps, after.sweeps, strict=True):
        assert_apart(new)
        size = old.azimuth.size
        assert abs(new.azimuth.size - size * 2 / 3) < 15
        later = ~np.isin(np.arange(size), np.arange(0, size - 1, 3))  # of 0 and 1, 3 and 4, ... the second stays
        inner = slice(20, 200)  # away from where the antenna turned too far
        np.testing.assert_array_equal(new.time[inner], old.time[later][np.isin(old.time[later], new.time)][inner])
        assert np.isin(old.time[later][inner], new.time).all()
    assert "rays at the azimuth of a later one left out" in told(bad, after)


def assert_apart(sweep: Sweep) -> None:
    azimuth = np.sort(sweep.azimuth.astype(float) % 360)
    assert np.diff(azimuth, append=azimuth[0] + 360).min() >= 0.02


def test_rays_that_come_twice_the_later_one_stays(volume: Volume):
    def again(sweep: Sweep) -> Sweep:
        size = sweep.azimuth.size
        return take(sweep, np.concatenate([np.arange(size), np.arange(40)]))

    bad = as_read(every(volume, again))
    after = check(bad)
    for old, new in zip(bad.sweeps, after.sweeps, strict=True):
        assert_apart(new)
        assert new.azimuth.size <= old.azimuth.size - 40
        np.testing.assert_array_equal(new.azimuth[-40:], old.azimuth[-40:])
        np.testing.assert_array_equal(new.time[-40:], old.time[-40:])


def test_an_overlap_of_some_rays_stays():
    """The antenna turned 8 rays too far; they fall near, not upon, the first ones."""
    sweeps = tuple(take(sweep, np.r_[np.arange(366), np.arange(8)]) for sweep in plain().sweeps)
    nudge = np.r_[np.zeros(366), np.full(8, 0.1)].astype("f4")
    volume = replace(plain(), sweeps=tuple(replace(s, azimuth=(s.azimuth + nudge) % 360) for s in sweeps))
    assert sound(volume) is volume


def test_doubled_rays_are_one_each(volume: Volume):
    def double(sweep: Sweep) -> Sweep:
        twice = take(sweep, np.repeat(np.arange(sweep.azimuth.size), 2))
        aside = np.tile([-0.25, 0.25], sweep.azimuth.size).astype("f4")
        return replace(twice, azimuth=(twice.azimuth + aside) % 360)

    bad = as_read(every(volume, double))
    after = check(bad)
    for old, new in zip(volume.sweeps, after.sweeps, strict=True):
        with_echo = np.any([(m.classes[m.codes] == 0).any(axis=1) for m in old.moments.values()], axis=0)
        assert new.azimuth.size == 2 * old.azimuth.size - with_echo.sum()
    assert "rays that repeat the one before left out" in told(bad, after)


def test_true_half_degree_rays_stay():
    assert sound(plain(720)) is plain(720)


def test_of_two_revolutions_the_last_stays():
    def turn(sweep: Sweep) -> Sweep:
        twice = take(sweep, np.r_[np.arange(366), np.arange(366)])
        between = np.r_[np.zeros(366), np.full(366, 0.45)].astype("f4")
        return replace(twice, azimuth=(twice.azimuth + between) % 360)

    bad = every(plain(), turn)
    after = check(bad)
    for old, new in zip(bad.sweeps, after.sweeps, strict=True):
        np.testing.assert_array_equal(new.azimuth, old.azimuth[366:])
    assert "1464 rays of earlier revolutions left out" in told(bad, after)


def test_missing_rays_are_told(volume: Volume):
    bad = as_read(every(volume, lambda sweep: take(sweep, np.arange(300))))
    after = check(bad)
    assert after.sweeps is bad.sweeps
    assert "azimuth gap of up to " in told(bad, after)
    gap = max(360 - np.ptp(np.unwrap(sweep.azimuth[:300].astype(float), period=360)) for sweep in volume.sweeps)
    assert f"{gap:.0f} deg in {len(volume.sweeps)} of {len(volume.sweeps)} sweeps" in told(bad, after)


def test_a_sector_stays():
    sector = every(plain(), lambda sweep: take(sweep, np.arange(120)))
    after = check(sector)
    assert after.sweeps is sector.sweeps
    assert told(sector, after) == "azimuth gap of up to 243 deg in 4 of 4 sweeps"


def test_a_sector_scanned_to_and_fro_keeps_its_sharp_passes():
    """A sector of 60 deg, there and back, half a spacing aside: not two revolutions."""
    there = np.arange(60, dtype="f4")
    sweeps = []
    for sweep in plain().sweeps:
        both = take(sweep, np.r_[np.arange(60), np.arange(60, 120)])
        sweeps.append(replace(both, azimuth=np.concatenate([there, there[::-1] + np.float32(0.5)])))
    volume = replace(plain(), sweeps=tuple(sweeps))
    assert check(volume).sweeps is volume.sweeps


@pytest.mark.parametrize("seed", [9, 11, 15])
def test_rays_in_any_order_stay(seed: int):
    """Shuffled rays go around many times by chance, but not steadily."""
    order = np.random.default_rng(seed).permutation(366)
    shuffled = every(plain(), lambda sweep: take(sweep, order))
    turned = ((np.diff(shuffled.sweeps[0].azimuth.astype(float)) + 180) % 360 - 180).sum()
    assert abs(turned) > 540
    assert sound(shuffled) is shuffled


def test_rays_without_azimuth_are_left_out():
    def lose(sweep: Sweep) -> Sweep:
        return replace(sweep, azimuth=np.where(np.arange(366) < 2, np.nan, sweep.azimuth).astype("f4"))

    bad = every(plain(), lose)
    after = check(bad)
    assert {sweep.azimuth.size for sweep in after.sweeps} == {364}
    assert told(bad, after) == "8 rays without an azimuth left out"
    none = check(every(plain(), lambda sweep: replace(sweep, azimuth=np.full_like(sweep.azimuth, np.nan))))
    assert none.sweeps == ()


# ---- elevations and times


def test_elevations_that_are_not_the_headers(volume: Volume):
    bad = as_read(every(volume, lambda sweep: replace(sweep, elevation=np.zeros_like(sweep.elevation))))
    after = check(bad)
    assert after.sweeps == ()
    count = len(volume.sweeps)
    assert f"elevations of the rays contradict the header: {count} of {count} sweeps left out" in after.remarks


def test_one_sweep_whose_elevation_is_not_the_headers():
    sweeps = list(plain().sweeps)
    sweeps[2] = replace(sweeps[2], elevation=np.full_like(sweeps[2].elevation, 6.0))
    after = check(replace(plain(), sweeps=tuple(sweeps)))
    assert [sweep.fixed_angle for sweep in after.sweeps] == [0.5, 0.5, 14.59]


def test_a_header_that_says_one_elevation_for_all(volume: Volume):
    bad = as_read(every(volume, lambda sweep: replace(sweep, fixed_angle=0.5)))
    after = check(bad)
    for old, new in zip(volume.sweeps, after.sweeps, strict=True):
        assert abs(new.fixed_angle - old.fixed_angle) < 0.1
    assert "those of the rays taken" in told(bad, after)


def test_times_far_from_the_start_become_the_start(volume: Volume):
    late = np.timedelta64(720, "s")
    bad = as_read(every(volume, lambda sweep: replace(sweep, time=sweep.time - late)))
    after = check(bad)
    start = np.datetime64(bad.start.replace(tzinfo=None), "ns")
    assert all((sweep.time == start).all() for sweep in after.sweeps)
    assert told(bad, after) == f"times of {rays(bad)} rays far from the start of the volume: the start taken"


@pytest.mark.parametrize(("seconds", "kept"), [(-59, True), (-61, False), (1700, True), (1900, False)])
def test_how_far_a_time_may_be(seconds: int, kept: bool):
    moved = replace(plain(), start=plain().start - timedelta(seconds=seconds))
    moved = replace(moved, sweeps=moved.sweeps[2:3])
    first = replace(moved.sweeps[0], time=np.full(366, plain().start.replace(tzinfo=None), "M8[ns]"))
    after = check(replace(moved, sweeps=(first,)))
    assert (after.sweeps[0] is first) == kept


def test_an_unknown_time_stays_unknown():
    volume = every(plain(), lambda sweep: replace(sweep, time=np.full_like(sweep.time, np.datetime64("NaT"))))
    assert sound(volume) is volume


def test_an_rhi_and_a_look_upwards_are_left_alone():
    size = 366
    upwards = np.linspace(0, 40, size).astype("f4")
    rhi = replace(plain().sweeps[0], azimuth=np.full(size, 45, "f4"), elevation=upwards, fixed_angle=45.0)
    zenith = replace(plain().sweeps[2], azimuth=np.full(size, 10, "f4"), elevation=np.full(size, 90, "f4"))
    volume = replace(plain(), sweeps=(rhi, zenith))
    assert sound(volume) is volume


# ---- what is unseen


@pytest.mark.parametrize(
    ("sweeps", "remark"),
    [
        (slice(0, 2), f"only 1 tilt, up to 0.5 deg: {TOPS}"),
        (slice(0, 3), f"only 2 tilts, up to 1.5 deg: {TOPS}"),
        (slice(2, 4), f"no tilt below 1.5 deg: {LOWEST}"),
        (slice(1, 2), "no tilt with reflectivity"),
    ],
)
def test_what_the_tilts_cannot_see(sweeps: slice, remark: str):
    part = replace(plain(), sweeps=plain().sweeps[sweeps])
    after = check(part)
    assert after.sweeps is part.sweeps
    assert told(part, after) == remark


def test_nothing_to_say_of_nothing():
    empty = replace(plain(), sweeps=())
    assert sound(empty) is empty
    rayless = every(plain(), lambda sweep: take(sweep, np.arange(0)))
    assert sound(rayless) is rayless


# ---- properties


FAULTS: list[Callable[[Sweep], Sweep]] = [
    noise, flat, constant_power,
    lambda s: replace(s, azimuth=np.full_like(s.azimuth, 45.0)),
    lambda s: replace(s, azimuth=np.where(np.arange(s.azimuth.size) % 5 == 1, np.nan, s.azimuth).astype("f4")),
    lambda s: replace(s, azimuth=np.round(s.azimuth / 3) * 3),
    lambda s: take(s, np.r_[np.arange(s.azimuth.size), np.arange(s.azimuth.size)]),
    lambda s: take(s, np.repeat(np.arange(s.azimuth.size), 2)),
    lambda s: take(s, np.arange(s.azimuth.size)[: s.azimuth.size // 2]),
    lambda s: take(s, np.arange(min(1, s.azimuth.size))),
    lambda s: take(s, np.random.default_rng(5).permutation(s.azimuth.size)),
    lambda s: replace(s, elevation=np.zeros_like(s.elevation)),
    lambda s: replace(s, elevation=np.full_like(s.elevation, np.nan)),
    lambda s: replace(s, fixed_angle=np.nan),
    lambda s: replace(s, nyquist=np.nan),
    lambda s: replace(s, time=s.time - np.timedelta64(720, "s")),
    lambda s: replace(s, moments={}),
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(FAULTS)), max_size=4))
def test_any_faults_together(faults: list[tuple[int, Callable[[Sweep], Sweep]]]):
    sweeps = list(plain().sweeps)
    for k, fault in faults:
        sweeps[k] = fault(sweeps[k])
    after = check(replace(plain(), sweeps=tuple(sweeps)))
    for sweep in after.sweeps:
        assert_apart(sweep) if sweep.azimuth.size > 1 else None
    assert all(chinese(remark) or " rays " in remark for remark in after.remarks)


@settings(max_examples=60, deadline=None)
@given(samples.volumes())
def test_any_small_volume(volume: Volume):
    """Of a few rays nothing can be told: no sweep is dropped for its signal."""
    after = check(volume)
    assert "noise" not in told(volume, after)


@given(st.integers(0, 5), st.integers(0, 6), st.integers(0, 2), st.integers(0, 99))
def test_kernels_against_plain_loops(count: int, gates: int, shift: int, seed: int):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (count, gates)).astype("u1")
    table = rng.normal(size=(256, 2)).astype("f4")
    table[rng.random(256) < 0.3, 0] = np.nan
    rows = np.arange(count)
    counts = np.zeros(256, dtype=np.int64)
    tally(codes, rows, counts)
    np.testing.assert_array_equal(counts, np.bincount(codes.ravel(), minlength=256))
    ahead = codes[:, shift:]
    a, b = table[codes[::-1, : ahead.shape[1]]].astype(float), table[ahead].astype(float)
    known = ~np.isnan(a[..., 0] + b[..., 0])
    pairs, total, square = products(codes, table, rows[::-1].copy(), rows, shift)
    assert pairs == known.sum()
    assert total == pytest.approx((a * b).sum(axis=2)[known].sum(), abs=1e-5)
    assert square == pytest.approx(((a**2 + b**2) / 2).sum(axis=2)[known].sum(), abs=1e-5)

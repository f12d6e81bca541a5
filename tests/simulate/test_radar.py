"""The simulated radar against the truth it looks at, with places from pyproj and values by hand."""

import bz2
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from pyproj import Geod

from wxcore.errors import TimeError
from wxcore.radar.cinrad import FORMAT as STANDARD
from wxcore.radar.cinrad import read_standard
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.geometry import beam_height, ground_arc
from wxcore.radar.legacy import read_legacy, recognise
from wxcore.radar.volume import SIMULATED_TASK, Moment, Sweep, Volume
from wxcore.region import RadarSite, Region, load_region
from wxcore.simulate import fields
from wxcore.simulate.planned import SMALL, Scale, Setting
from wxcore.simulate.radar import CLUTTER_KM, NYQUIST_M_S, attenuation, noise_dbz, places_under, scan
from wxcore.simulate.radar_feed import INSTRUMENT, file_name
from wxcore.simulate.scene import Air, Cell, Shield, World
from wxcore.simulate.truth import truth_cycles
from wxcore.times import CYCLE, cycle_of, from_datetime64

GEOD = Geod(ellps="WGS84")
START = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
BORN = START - timedelta(minutes=60)
CALM = Air(winds=((0.0, 0.0, 0.0), (20_000.0, 0.0, 0.0)))
TRIP_KM = 148.7
"""c lambda / 8 / Nyquist speed = 299792.458 x 0.10707 / 8 / 27 km."""


def site(band: str = "S") -> RadarSite:
    return RadarSite("Z9230", "重庆", "Chongqing", 29.5, 106.5, 500.0, "SA", band, date(2000, 1, 1), None, "test")


def cell(azimuth: float, km: float, peak: float = 55.0, radius: float = 10.0, **more: Any) -> Cell:
    """One that stands still, in mid-life at START."""
    lon, lat, _ = GEOD.fwd(106.5, 29.5, azimuth, km * 1000)
    return Cell(lon, lat, 0.0, 0.0, BORN, 120.0, peak, radius, 9000.0, **more)


MIXED = World(
    cells=(
        cell(40, 60, lean_x=0.4, lean_y=-0.2, hail_mm=40.0),
        cell(100, 180, 50, 4, rotation_m_s=25.0),
        cell(104, 200, 60, 8, rotation_m_s=10.0, outflow_m_s=20.0),
        cell(250, 25, 66, 7, outflow_m_s=25.0, rotation_m_s=22.0),
        cell(355, 12, 40, 5),
    ),
    shields=(Shield(108.0, 30.9, 0.0, 0.0, BORN, 120.0, 30.0, 130.0, 50.0, 35.0),),
)
WET = World(shields=(Shield(106.5, 29.5, 0.0, 0.0, BORN, 120.0, 35.0, 140.0, 140.0, 0.0, 12_000.0),), air=CALM)
"""Rain all around the radar."""


@cache
def seen(world: World, band: str = "S", *, clean: bool = False, seed: int = 1) -> Volume:
    return scan(site(band), world, START, seed=seed, clean=clean)


def sweeps(volume: Volume, moment: str) -> dict[float, Sweep]:
    return {sweep.fixed_angle: sweep for sweep in volume.sweeps if moment in sweep.moments}


def gates(sweep: Sweep, moment: Moment) -> tuple[np.ndarray, ...]:
    """Longitude, latitude, height ASL and the beam's heading there, by pyproj; (ray, gate)."""
    slant = moment.first_gate_m + moment.gate_m * np.arange(moment.codes.shape[1])
    azimuth, arc = np.broadcast_arrays(sweep.azimuth.astype("f8")[:, None], ground_arc(slant, sweep.fixed_angle))
    lon, lat, back = GEOD.fwd(np.full(arc.shape, 106.5), np.full(arc.shape, 29.5), azimuth, arc)
    return lon, lat, np.broadcast_to(beam_height(slant, sweep.fixed_angle) + 500.0, arc.shape), back + 180


def middle(sweep: Sweep) -> datetime:
    """Of the cut's time."""
    step = (sweep.time[1] - sweep.time[0]) / np.timedelta64(1, "us")
    first = from_datetime64(sweep.time[0])
    return first + timedelta(microseconds=float(step) * sweep.time.size / 2)


def ray(sweep: Sweep, azimuth: float) -> int:
    return int(np.argmin(np.abs((sweep.azimuth - azimuth + 180) % 360 - 180)))


def test_places_are_those_of_the_geodesic() -> None:
    rng = np.random.default_rng(1)
    for lat, limit_km, limit_m in ((29.5, 230, 3.0), (29.5, 460, 15.0), (-52.0, 230, 3.0)):
        azimuth, arc = rng.uniform(0, 360, 2000), rng.uniform(0, limit_km * 1000, 2000)
        lon, north = places_under(lat, 106.5, azimuth, arc)
        true_lon, true_lat, _ = GEOD.fwd(np.full(2000, 106.5), np.full(2000, lat), azimuth, arc)
        assert GEOD.inv(lon, north, true_lon, true_lat)[2].max() < limit_m


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again = seen(MIXED), scan(site(), MIXED, START, seed=1)
    assert write_standard(first) == write_standard(again)
    assert write_standard(seen(MIXED, seed=2)) != write_standard(first)
    assert first.task.startswith(SIMULATED_TASK)


def test_a_naive_time_is_refused() -> None:
    naive = START.replace(tzinfo=None)
    with pytest.raises(TimeError):
        scan(site(), MIXED, naive, seed=1)
    with pytest.raises(TimeError):
        file_name(site(), naive)


@pytest.mark.parametrize("elevation", [0.5, 2.4, 9.9])
def test_a_clean_radar_sees_the_truth_in_half_dbz(elevation: float) -> None:
    sweep = sweeps(seen(MIXED, clean=True), "DBZH")[elevation]
    moment = sweep.moments["DBZH"]
    lon, lat, height, _ = gates(sweep, moment)
    truth = fields.reflectivity(MIXED, lon, lat, height, middle(sweep))
    found = moment.values(no_echo=-33.0)
    error = np.abs(found - truth)[truth > -30.7]
    assert error.size > 1000
    assert error.max() < 0.25 + 0.15  # 5 m in a hail core that falls by 30 dB/km
    assert (error < 0.26).mean() > 0.98
    assert (moment.codes[truth < -30.8] == 0).all()


@pytest.mark.parametrize("elevation", [0.5, 4.3])
def test_a_clean_radar_sees_the_true_wind(elevation: float) -> None:
    volume = seen(MIXED, clean=True)
    sweep, echo = sweeps(volume, "VRADH")[elevation], sweeps(volume, "DBZH")[elevation]
    moment = sweep.moments["VRADH"]
    lon, lat, height, heading = gates(sweep, moment)
    u, v = fields.wind(MIXED, lon, lat, height, middle(sweep))
    truth = u * np.sin(np.deg2rad(heading)) + v * np.cos(np.deg2rad(heading))
    known = moment.codes >= 5
    assert np.abs(moment.values() - truth)[known].max() < 0.25 + 0.2
    if elevation > 0.5:  # without a split cut velocity is where reflectivity is
        both = np.repeat(echo.moments["DBZH"].codes >= 5, 4, axis=1)[:, : known.shape[1]]
        np.testing.assert_array_equal(known, both)


def test_a_mesocyclone_is_a_couplet() -> None:
    """Wind away from the radar on the right of a cyclone, seen from the radar, and towards it on the left."""
    world = World(cells=(cell(60, 50, 60, 12, rotation_m_s=25.0),), air=CALM)
    sweep = sweeps(seen(world), "VRADH")[3.35]
    moment = sweep.moments["VRADH"]
    speed = moment.values()[:, round(50_000 / moment.gate_m)]
    right, left = (speed[ray(sweep, 60 + side)] for side in (3.4, -3.4))  # 3 km, the radius of its strongest wind
    assert right == pytest.approx(25 * (1 - ((3570 - 4750) / 4250) ** 2), abs=3)
    assert left == pytest.approx(-right, abs=3)


def test_folded_velocity_unfolds_to_the_true_wind() -> None:
    world = replace(MIXED, air=Air(winds=((0.0, 38.0, -8.0), (20_000.0, 38.0, -8.0))))
    sweep = sweeps(seen(world), "VRADH")[2.4]
    moment = sweep.moments["VRADH"]
    lon, lat, height, heading = gates(sweep, moment)
    u, v = fields.wind(world, lon, lat, height, middle(sweep))
    truth = (u * np.sin(np.deg2rad(heading)) + v * np.cos(np.deg2rad(heading))) * np.cos(np.deg2rad(2.4))
    weather = sweep.moments["WRADH"].codes == 133
    found = moment.values()[weather]
    folds = np.rint((truth[weather] - found) / 54)
    error = found + 54 * folds - truth[weather]
    assert np.abs(found).max() <= NYQUIST_M_S["S"] + 0.25
    assert (folds != 0).mean() > 0.1
    assert error.std() == pytest.approx(0.72, abs=0.05)
    assert error.mean() == pytest.approx(0, abs=0.05)


def test_a_beam_is_wide() -> None:
    """200 km away the beam is 3.5 km wide: a core of 2 km looks wider, and weaker."""
    world = World(cells=(cell(80, 200, 60, 2.0),), air=CALM)
    wide, sharp = (sweeps(seen(world, clean=clean), "DBZH")[0.5].moments["DBZH"].values() for clean in (False, True))
    assert np.nanmax(wide) < np.nanmax(sharp)
    assert (wide[:, 150:250] > 15).sum() > 1.2 * (sharp[:, 150:250] > 15).sum()


def test_attenuation_behind_a_core_is_the_integral_by_hand() -> None:
    world = replace(WET, cells=(cell(30, 60, 58, 12),))
    long, short, clean = (
        sweeps(volume, "DBZH")[0.5] for volume in (seen(world), seen(world, "C"), seen(world, clean=True))
    )
    index = ray(long, 30)
    lost = (long.moments["DBZH"].values() - short.moments["DBZH"].values())[index]
    z = clean.moments["DBZH"].values()[ray(clean, 30)]
    c, d = 0.0018, 1.05  # k = c R^d, Z = 300 R^1.4, no hail beyond 53 dBZ
    k = c * ((10 ** (np.minimum(np.nan_to_num(z, nan=-30), 53) / 10)) / 300) ** (d / 1.4)
    behind, before = slice(85, 120), slice(20, 40)
    assert np.nanmean(lost[behind]) == pytest.approx(2 * k[:100].sum(), rel=0.06)
    assert 3 < np.nanmean(lost[behind]) < 12
    assert np.nanmean(lost[before]) == pytest.approx(2 * k[:30].sum(), abs=0.15)
    assert attenuation("S")[0] == 0


def test_behind_a_core_x_band_sees_nothing() -> None:
    world = replace(WET, cells=(cell(30, 40, 60, 14),))
    sweep = sweeps(seen(world, "X"), "DBZH")[0.5]
    behind = sweep.moments["DBZH"].codes[ray(sweep, 30), 80:120]
    beside = sweep.moments["DBZH"].codes[ray(sweep, 200), 80:120]
    assert (behind == 0).all()
    assert (beside >= 5).all()


def test_a_second_trip_is_marked_and_the_stronger_keeps_its_velocity() -> None:
    far = cell(90, 200, 60, 8)
    alone, both = World(cells=(far,), air=CALM), World(cells=(far, cell(90, 200 - TRIP_KM, 60, 8)), air=CALM)
    place = round((200 - TRIP_KM) * 4)
    sweep = sweeps(seen(alone), "VRADH")[0.5]
    velocity = sweep.moments["VRADH"].codes[ray(sweep, 90)]
    assert (velocity[place - 8 : place + 8] == 1).all()
    assert (velocity[792:808] >= 5).all()
    echo = sweeps(seen(alone), "DBZH")[0.5]
    assert (echo.moments["DBZH"].values(no_echo=-30)[ray(echo, 90), place // 4 - 2 : place // 4 + 2] < 20).all()
    sweep = sweeps(seen(both), "VRADH")[0.5]
    velocity = sweep.moments["VRADH"].codes[ray(sweep, 90)]
    assert (velocity[place - 8 : place + 8] >= 5).all()
    assert (velocity[792:808] == 1).all()
    assert all((s.moments["VRADH"].codes != 1).all() for s in sweeps(seen(both, clean=True), "VRADH").values())


def test_clutter_is_near_still_and_always_in_the_same_places() -> None:
    empty = World(air=CALM)
    z, again = (sweeps(seen(empty, seed=seed), "DBZH")[0.5].moments["DBZH"].codes for seed in (1, 2))
    assert (z[:, :CLUTTER_KM] > 0).sum() > 500
    assert not z[:, CLUTTER_KM:].any()
    aloft = sweeps(seen(empty), "DBZH")[4.3].moments["DBZH"].codes
    assert (aloft > 0).sum() < (z > 0).sum() / 5
    # rays begin anywhere, sectors of a degree do not: compare by sector
    first, second = (_by_degree(sweeps(seen(empty, seed=seed), "DBZH")[0.5]) for seed in (1, 2))
    assert np.mean(np.equal(first, second)) > 0.95
    assert z.shape == again.shape
    still = sweeps(seen(empty), "VRADH")[0.5].moments["VRADH"]
    assert np.abs(still.values()[still.codes >= 5]).max() <= 1.5
    assert all((m.codes == 0).all() for s in seen(empty, clean=True).sweeps for m in s.moments.values())


def _by_degree(sweep: Sweep) -> np.ndarray:
    echo = np.zeros((360, CLUTTER_KM), bool)
    echo[sweep.azimuth.astype(int) % 360] = sweep.moments["DBZH"].codes[:, :CLUTTER_KM] > 0
    return echo


def test_the_threshold_grows_with_range() -> None:
    moment = sweeps(seen(WET), "DBZH")[0.5].moments["DBZH"]
    values = moment.values(no_echo=np.inf)[:, CLUTTER_KM:]
    limit = noise_dbz(1000 * (np.arange(CLUTTER_KM, 460) + 0.5))
    assert noise_dbz(200_000) == pytest.approx(-8 + 6.02, abs=0.01)
    assert (values >= limit - 0.26).all()
    reached = np.isfinite(values).any(axis=0)
    assert np.nanmin(np.where(reached, values.min(axis=0) - limit, np.nan)) < 0.6
    assert not np.isfinite(values[:, -1]).any()


def test_every_radar_has_a_volume_for_every_cycle(chongqing: Region) -> None:
    scale = Scale("some", ("Z9230", "Z9090", "Z9856"), (), 0, 6)
    setting = Setting(chongqing, World(), scale, START, START + 3 * CYCLE, seed=5)
    plan = list(INSTRUMENT.plan(setting))
    assert Counter(item.key for item in plan) == {(radar,): 3 for radar in scale.radars}
    assert len({item.path for item in plan}) == len(plan)
    for radar in scale.radars:
        mine = [item for item in plan if item.key == (radar,)]
        assert [cycle_of(item.start) for item in mine] == truth_cycles(setting.start, setting.end)
        for number, item in enumerate(mine):
            assert timedelta(seconds=20) <= item.start - (START + number * CYCLE) <= timedelta(seconds=60)
            assert item.end - item.start == timedelta(seconds=345)
            assert timedelta(seconds=20) <= item.arrives - item.end <= timedelta(seconds=60)
    assert list(INSTRUMENT.plan(setting)) == plan
    everything = list(INSTRUMENT.plan(replace(setting, scale=replace(scale, radars=()))))
    assert len(everything) == 3 * len(chongqing.radars_at(START))
    brief = replace(setting, end=START + timedelta(seconds=10))
    assert not list(INSTRUMENT.plan(brief)), "none has begun"


def test_a_region_without_the_radars_asked_for_has_its_own(chongqing: Region) -> None:
    setting = Setting(load_region("guizhou"), World(), SMALL, START, START + CYCLE, seed=5)
    plan = list(INSTRUMENT.plan(setting))
    assert [item.key[0] for item in plan] == [site.id for site in setting.region.radars_at(START)][:3]
    assert all("_O_DOR_SA_CAP_FMT" in item.path for item in plan), "their types are unknown"
    assert all(STANDARD.name_pattern.search(item.path.rsplit("/", 1)[1]) for item in plan)
    before = datetime(1999, 7, 1, tzinfo=UTC)
    assert not list(INSTRUMENT.plan(replace(setting, region=chongqing, start=before, end=before + CYCLE)))
    assert "_O_DOR_SA_" in file_name(replace(site(), type="WSR-88D"), START)


def test_a_moving_cell_is_where_the_truth_has_it_then() -> None:
    """Six minutes beside the volume's time it would be seven kilometres away."""
    moving = replace(cell(60, 60), u_m_s=16.0, v_m_s=-12.0)
    volume = scan(site(), World(cells=(moving,), air=CALM), START, seed=1, clean=True)
    lowest = sweeps(volume, "DBZH")[0.5]
    moment = lowest.moments["DBZH"]
    lon, lat, _, _ = gates(lowest, moment)
    weight = np.maximum(moment.values(no_echo=0.0) - 20, 0) * (np.arange(moment.codes.shape[1]) + 0.5)
    seen_at = (lon * weight).sum() / weight.sum(), (lat * weight).sum() / weight.sum()
    for late, near in ((timedelta(0), True), (CYCLE, False), (-CYCLE, False)):
        distance = GEOD.inv(*seen_at, *moving.place(middle(lowest) + late))[2]
        assert (distance < 1000) == near
        assert distance < 1000 or distance == pytest.approx(7200, abs=1000)


@pytest.mark.parametrize(("radar", "legacy"), [("Z9230", False), ("Z9090", True)])
def test_files_read_back(chongqing: Region, radar: str, *, legacy: bool) -> None:
    world = World(cells=(Cell(107.6, 30.2, 0.0, 0.0, BORN, 120.0, 60.0, 10.0, 9000.0),))
    setting = Setting(chongqing, world, Scale("one", (radar,), (), 0, 6), START, START + CYCLE, seed=5)
    (item,) = INSTRUMENT.plan(setting)
    packed = INSTRUMENT.make(setting, item)
    assert packed == INSTRUMENT.make(setting, item)
    data, name = bz2.decompress(packed), item.path.rsplit("/", 1)[1]
    assert recognise(data[:10_000]) == legacy
    volume = read_legacy(data, name) if legacy else read_standard(data, name)
    (place,) = (row for row in chongqing.radars_at(START) if row.id == radar)
    made = scan(place, world, item.start, seed=5)
    assert (volume.site.id, volume.start) == (radar, item.start)
    for old, new in zip(made.sweeps, volume.sweeps, strict=True):
        for kind, moment in old.moments.items():
            np.testing.assert_array_equal(new.moments[kind].codes, moment.codes)
            assert new.moments[kind].first_gate_m == moment.first_gate_m

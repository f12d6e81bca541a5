"""The promises of the scenarios, for two regions and several seeds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from wxcore.errors import TimeError, WxcoreError
from wxcore.grid import MRMS_LEVELS_M
from wxcore.products import hail
from wxcore.region import Region, load_region
from wxcore.simulate import fields, scenarios
from wxcore.simulate.field_kernels import OUTFLOW
from wxcore.simulate.fields import GUST_FACTOR, instant
from wxcore.simulate.scenarios import SCENARIOS, build_world
from wxcore.simulate.scene import KM_PER_DEG, Cell, Shield, World

START = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
PLACES = [(region, seed) for region in ("chongqing", "guangdong") for seed in (20260701, 1, 2)]
LEVELS = np.array(MRMS_LEVELS_M)
MEAN_WIND = (10.0, 5.0)
"""Of the cloud layer, roughly."""


@cache
def region_of(name: str) -> Region:
    return load_region(name)


@cache
def world(scenario: str = "afternoon", region: str = "chongqing", seed: int = 20260701, hours: float = 3.0) -> World:
    return build_world(scenario, region_of(region), START, hours, seed)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def km(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """East and north from the one to the other."""
    return (other[0] - one[0]) * KM_PER_DEG * np.cos(np.deg2rad(one[1])), (other[1] - one[1]) * KM_PER_DEG


def born_in_first_hour(cells: tuple[Cell, ...], parents: int) -> list[Cell]:
    return [cell for cell in cells if len(cell.parents) == parents and START <= cell.born <= START + minutes(60)]


def test_names_and_refusals() -> None:
    assert list(SCENARIOS) == ["afternoon", "multicell", "supercell", "squall_line", "pulse", "stratiform", "clear"]
    assert all(name == row.name and row.title_en and row.title_zh for name, row in SCENARIOS.items())
    region = region_of("chongqing")
    with pytest.raises(WxcoreError, match=r"typhoon.*afternoon, multicell.*clear"):
        build_world("typhoon", region, START, 1, 1)
    for hours in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="hours"):
            build_world("clear", region, START, hours, 1)
    with pytest.raises(TimeError):
        build_world("clear", region, START.replace(tzinfo=None), 1, 1)


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "clear"])
def test_the_seed_decides(scenario: str) -> None:
    again = build_world(scenario, region_of("chongqing"), START, 3, 20260701)
    assert again == world(scenario)
    assert world(scenario, seed=5) != again
    storms: list[Cell | Shield] = [*again.cells, *again.shields]
    assert len({storm.id for storm in storms}) == len(storms) > 3
    assert (again.scenario, again.seed) == (scenario, 20260701)


def test_a_longer_period_has_the_same_storms_and_more() -> None:
    short, long = world(hours=1.0), world(hours=6.0)
    known = {cell.id: replace(cell, parents=()) for cell in long.cells}
    assert all(known[cell.id] == replace(cell, parents=()) for cell in short.cells)
    assert len(long.cells) > 2 * len(short.cells)


@pytest.mark.parametrize(("region", "seed"), PLACES)
def test_twenty_to_sixty_cells_live_all_day(region: str, seed: int) -> None:
    day = world("afternoon", region, seed, 24.0)
    times = np.arange(0, 24 * 60 + 1, 5)
    born = np.array([(cell.born - START) / minutes(1) for cell in day.cells])
    dies = born + [cell.life_min for cell in day.cells]
    alive = ((born < times[:, None]) & (times[:, None] < dies)).sum(axis=1)
    assert 20 <= alive.min() <= alive.max() <= 60


@pytest.mark.parametrize("scenario", list(SCENARIOS))
@pytest.mark.parametrize("region", ["chongqing", "guangdong"])
def test_every_storm_is_in_the_box_in_the_period(scenario: str, region: str) -> None:
    found, grid = world(scenario, region), region_of(region).grid
    storms: list[Cell | Shield] = [*found.cells, *found.shields]
    for storm in storms:
        times = [START + minutes(number) for number in range(-60, 181)]
        assert any(storm.vigour(when) > 0 and grid.contains(*storm.place(when)) for when in times), storm.id
    if scenario == "clear":
        assert not storms
    else:
        for when in (START, START + minutes(90), START + minutes(180)):
            assert instant(found, when).cells.size + instant(found, when).shields.size > 0


def test_weather_does_not_switch_on_at_the_start() -> None:
    found = world()
    for number in range(-30, 1, 5):
        pulses = [
            cell for cell in found.cells if cell.id.startswith("PUL") and cell.vigour(START + minutes(number)) > 0
        ]
        assert 5 <= len(pulses) <= 16
    assert any(cell.born + minutes(cell.life_min) < START for cell in found.cells)


@pytest.mark.parametrize("hours", [0.016, 0.001])
def test_the_shortest_period_has_storms(hours: float) -> None:
    assert sum(cell.vigour(START) > 0 for cell in world(hours=hours).cells) >= 15


def test_a_storm_of_half_a_minute_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    short = Cell(106.5, 29.5, 0, 0, START, 0.5, 50.0, 8.0, 7000.0, id="X")
    monkeypatch.setattr(scenarios, "SCENARIOS", {"one": replace(SCENARIOS["clear"], build=lambda _: iter((short,)))})
    assert build_world("one", region_of("chongqing"), START, 1, 1).cells == (short,)
    assert not build_world("one", region_of("chongqing"), START + minutes(61), 1, 1).cells


def test_every_draw_has_a_stream_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[tuple[int, ...]] = []
    made = np.random.default_rng

    def kept(seed: list[int]) -> np.random.Generator:
        seeds.append(tuple(seed))
        return made(seed)

    monkeypatch.setattr(np.random, "default_rng", kept)
    build_world("afternoon", region_of("chongqing"), START, 3, 5)
    assert len(set(seeds)) == len(seeds) > 20
    assert all(seed[-1] for seed in seeds), "numpy takes [1, 2] and [1, 2, 0] for the same"


@pytest.mark.parametrize(("region", "side"), [("chongqing", -1), ("brisbane", 1), ("canberra", 1)])
def test_south_of_the_equator_supercells_turn_the_other_way(region: str, side: int) -> None:
    found = world("supercell", region, hours=12.0).cells
    turning = [cell for cell in found if cell.rotation_m_s]
    assert len(turning) >= 5
    for cell in turning:
        assert 18 <= -side * cell.rotation_m_s <= 25
        assert side * (MEAN_WIND[0] * cell.v_m_s - MEAN_WIND[1] * cell.u_m_s) > 0
    assert all(side * (MEAN_WIND[0] * c.v_m_s - MEAN_WIND[1] * c.u_m_s) < 0 for c in found if c.parents)


@pytest.mark.parametrize(("region", "seed"), PLACES)
def test_the_first_hour_has_everything(region: str, seed: int) -> None:
    found = world("afternoon", region, seed)
    grid = region_of(region).grid
    hours = [START + minutes(number) for number in range(0, 61, 6)]
    large = [cell for cell in found.cells if cell.hail_mm >= 40 and cell.rotation_m_s >= 18]
    falling = [cell.hail_mm * (2 * cell.vigour(when) - 1) for cell in large for when in hours
               if grid.contains(*cell.place(when))]  # fmt: skip
    assert max(falling) >= 40
    assert max(instant(found, when).cells[:, OUTFLOW].max() for when in hours) * GUST_FACTOR >= 25
    assert born_in_first_hour(found.cells, 1)
    assert born_in_first_hour(found.cells, 2)
    assert sum(cell.vigour(START) > 0.8 for cell in found.cells) >= 5, "mature at the start"
    assert len({cell.storm[:3] for cell in found.cells}) == 4
    assert found.shields


@pytest.mark.parametrize(("region", "seed"), PLACES)
def test_splits_and_merges_are_continuous_in_place(region: str, seed: int) -> None:
    found = world("afternoon", region, seed)
    by_id = {cell.id: cell for cell in found.cells}
    children = [cell for cell in found.cells if cell.parents]
    assert children
    for child in children:
        assert len(child.parents) <= 2
        for name in child.parents:
            parent = by_id[name]
            assert parent.storm == child.storm
            assert parent.vigour(child.born) > 0.5
            assert np.hypot(*km(parent.place(child.born), child.place(child.born))) < 0.5 * parent.radius_km
        family = World((child, *(by_id[name] for name in child.parents)))
        before, after = (child.born + timedelta(seconds=seconds) for seconds in (-1, 1))
        echo = [float(fields.reflectivity(family, *child.place(child.born), 3000, when)) for when in (before, after)]
        assert abs(echo[1] - echo[0]) < 0.5


def test_parents_that_merge_come_together_and_those_that_split_part() -> None:
    found = world("multicell", hours=6.0)
    by_id = {cell.id: cell for cell in found.cells}
    merged = [cell for cell in found.cells if len(cell.parents) == 2]
    assert merged
    for child in merged:
        one, other = (by_id[name] for name in child.parents)
        apart = [np.hypot(*km(one.place(when), other.place(when))) for when in (one.born, child.born)]
        assert apart[1] < 0.55 * apart[0]
    for child in (cell for cell in world("supercell", hours=6.0).cells if cell.parents):
        parent = next(cell for cell in world("supercell", hours=6.0).cells if cell.id == child.parents[0])
        assert np.hypot(*km(parent.place(child.born + minutes(30)), child.place(child.born + minutes(30)))) > 15


def mesh(cell: Cell, air_of: World) -> float:
    """Largest MESH of the columns about a cell in mid-life."""
    when = cell.born + minutes(cell.life_min / 2)
    lon, lat = cell.place(when)
    x, y = np.meshgrid(np.arange(-3, 8) * 0.01, np.arange(-3, 5) * 0.01)
    alone = World((cell,), air=air_of.air)
    dbz = fields.reflectivity(alone, lon + x[..., None], lat + y[..., None], LEVELS, when)
    shi = hail.severe_hail_index(dbz, LEVELS, alone.air.h0_m, alone.air.hm20_m)
    return float(hail.mesh_w98(shi).max())


@pytest.mark.parametrize("seed", [20260701, 1, 2])
def test_mesh_of_the_column_agrees_with_the_hail(seed: int) -> None:
    found = world("afternoon", "chongqing", seed)
    with_hail = [cell for cell in found.cells if cell.hail_mm]
    assert len(with_hail) >= 8
    for cell in with_hail:
        assert 20 <= cell.hail_mm <= 60
        assert 1 / 1.5 < mesh(cell, found) / cell.hail_mm < 1.5, cell
    for cell in found.cells:
        assert cell.hail_mm or mesh(cell, found) < 15, cell


@pytest.mark.parametrize(("region", "seed"), PLACES)
def test_cells_are_of_a_sensible_size(region: str, seed: int) -> None:
    for cell in world("afternoon", region, seed).cells:
        assert 45 <= cell.peak_dbz <= 66, cell
        assert 4 <= cell.radius_km <= 12, cell
        assert 6000 <= cell.core_top_m <= 11_000, cell
        assert 1 <= cell.flashes_min <= 40, cell
        assert 0 < cell.outflow_m_s <= 32, cell


def test_supercells_live_long_turn_and_move_to_the_right() -> None:
    right = [cell for cell in world("supercell", hours=12.0).cells if cell.rotation_m_s]
    assert len(right) >= 8
    for cell in right:
        assert 120 <= cell.life_min <= 180
        assert 18 <= cell.rotation_m_s <= 25
        assert 30 <= cell.hail_mm <= 60
        assert MEAN_WIND[0] * cell.v_m_s - MEAN_WIND[1] * cell.u_m_s < 0, "right of the mean wind"
    left = [cell for cell in world("supercell", hours=12.0).cells if cell.parents]
    assert all(MEAN_WIND[0] * cell.v_m_s - MEAN_WIND[1] * cell.u_m_s > 0 for cell in left)


def test_new_cells_of_a_multicell_come_up_on_its_right_flank() -> None:
    cells = [cell for cell in world("multicell").cells if cell.storm == "MUL00" and int(cell.id.split("-")[1]) >= 4]
    assert len(cells) >= 5
    gaps = np.diff([(cell.born - START) / minutes(1) for cell in cells])
    assert 8 <= gaps.min() <= gaps.max() <= 15.1
    to_right = []
    for old, new in pairwise(cells):
        east, north = km(old.place(new.born), new.place(new.born))
        to_right.append((MEAN_WIND[1] * east - MEAN_WIND[0] * north) / np.hypot(*MEAN_WIND))
    assert np.mean(to_right) > 1


@pytest.mark.parametrize("seed", [20260701, 1, 2])
def test_a_squall_line_bows(seed: int) -> None:
    found = world("squall_line", "chongqing", seed)
    line = [cell for cell in found.cells if cell.storm == "LIN00"]
    when = START + minutes(40)
    alive = [cell for cell in line if cell.vigour(when) > 0.3]
    slots = {int(cell.id.split("-")[1][:-1]) for cell in line}
    assert 8 <= len(slots) <= 14
    mean = np.mean([(cell.u_m_s, cell.v_m_s) for cell in line], axis=0)
    ahead = mean / np.hypot(*mean)
    away = np.array([km(alive[0].place(when), cell.place(when)) for cell in alive])
    forward, along = away @ ahead, away @ [-ahead[1], ahead[0]]
    assert 95 < np.ptp(along) < 190
    middle = np.abs(along - along.mean()) < 0.2 * np.ptp(along)
    ends = np.abs(along - along.mean()) > 0.4 * np.ptp(along)
    assert forward[middle].mean() - forward[ends].mean() > 15
    speed = np.array([cell.u_m_s * ahead[0] + cell.v_m_s * ahead[1] for cell in alive])
    assert speed[middle].mean() > speed[ends].mean() + 2
    strongest = max(line, key=lambda cell: cell.outflow_m_s)
    assert strongest.outflow_m_s >= 25
    assert abs(int(strongest.id.split("-")[1][:-1]) - (max(slots) + 1) / 2) < 1
    behind = [km(alive[0].place(when), row.place(when)) @ ahead for row in found.shields if "LIN00" in row.id]
    assert behind
    assert max(behind) < forward[middle].mean()


def test_pulses_are_short_and_rain_at_night_is_long() -> None:
    assert all(30 <= cell.life_min <= 45 for cell in world("pulse").cells)
    night = world("stratiform")
    assert all(not cell.hail_mm and not cell.rotation_m_s and cell.peak_dbz <= 46 for cell in night.cells)
    for number in range(0, 181, 30):
        assert sum(row.vigour(START + minutes(number)) > 0.5 for row in night.shields) >= 1


def test_the_default_afternoon_puts_hail_and_bow_over_chongqing() -> None:
    found, region = world(), region_of("chongqing")
    first, line = (next(cell for cell in found.cells if cell.storm == name) for name in ("SUP00", "LIN00"))
    bow = max((cell for cell in found.cells if cell.storm == line.storm), key=lambda cell: cell.outflow_m_s)
    for cell in (first, bow):
        lon, lat = cell.place(START + minutes(10))
        near = min(np.hypot(*km((lon, lat), (row.lon, row.lat))) for row in region.districts if row.valid_to is None)
        assert near < 30

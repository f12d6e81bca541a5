"""The synthetic network: as many as asked for, uneven, the same every time, never to be mistaken for a real one."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from wxcore.region import Region, Station, load_region
from wxcore.region.stations import read_stations, stations_text
from wxcore.region.tables import Fault
from wxcore.simulate.network import ground, network


@cache
def chongqing() -> Region:
    return load_region("chongqing")


@cache
def stations() -> tuple[Station, ...]:
    return network(chongqing())


def test_it_is_the_same_every_time_and_changes_with_the_seed() -> None:
    assert network(chongqing()) == stations()
    assert network(chongqing(), seed=2) != stations()
    assert len(stations()) == 2500


def test_it_says_that_it_is_simulated() -> None:
    assert all(row.source.startswith("SYN ") and "模拟" in row.name_zh for row in stations())
    assert all(re.fullmatch(r"X\d{4}", row.id) for row in stations())
    assert len({row.id for row in stations()}) == 2500


def test_each_district_has_one_national_station() -> None:
    national = [row.adcode for row in stations() if row.level == "national"]
    wanted = [row.adcode for row in chongqing().districts if row.valid_to is None]
    assert len(national) == len(wanted)
    assert len(set(national) & set(wanted)) > 0.9 * len(wanted)
    west, south, east, north = chongqing().grid.bounds
    assert all(south <= row.lat <= north and west <= row.lon <= east for row in stations())


def test_valleys_are_denser() -> None:
    random = np.random.default_rng(0)
    west, south, east, north = chongqing().grid.bounds
    anywhere = ground(random.uniform(south, north, 5000), random.uniform(west, east, 5000), 20260701)
    assert np.median([row.elevation_m for row in stations()]) < 0.8 * np.median(anywhere)
    assert {row.elev_class for row in stations()} == {"plain", "hill", "mountain", "ridge"}


def test_the_text_is_a_table_without_faults(tmp_path: Path) -> None:
    path = tmp_path / "stations.csv"
    path.write_text(stations_text(network(chongqing(), 300)), encoding="utf-8")
    faults: list[Fault] = []
    rows = read_stations(path, chongqing().grid, faults)
    assert faults == []
    assert [Station(**row.values) for row in rows] == list(network(chongqing(), 300))


def test_too_many_are_refused() -> None:
    with pytest.raises(ValueError, match="10000"):
        network(chongqing(), 10_000)

"""Which satellite and lightning files feed a cycle, and which cycles a late one concerns."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.scene import START, tiny_region
from tests.pipeline.skies import NOW, agri
from wxcore.archive import place
from wxcore.landing.ledger import STORED, FileRow
from wxcore.lightning import adtd as adtd_format
from wxcore.pipeline.catchup import basis_of, stale_cycles
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.gather import Chosen, choose, choose_from
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.region import Region
from wxcore.satellite import awx
from wxcore.times import BEIJING, CYCLE

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
AGRI, GHI, GLM, MERSI = "FY-4B/AGRI-4000M", "FY-4B/GHI-2000M", "GOES-16/GLM", "FY-3D/MERSI-2-1000M"
number = count()


@pytest.fixture(scope="module")
def place_of_ours(tmp_path_factory: pytest.TempPathFactory) -> Region:
    return tiny_region(tmp_path_factory.mktemp("gather-meta"))


def row(kind: str, site: str, when: datetime, *, form: str = "fy4-agri", name: str = "", late: int = 0) -> FileRow:
    """A file observed at a time, published `late` seconds after that; each with a content of its own."""
    content = hashlib.sha256(f"{next(number)}".encode()).hexdigest()
    published = when + timedelta(seconds=late)
    return FileRow(content, name or f"{site}-{when:%H%M%S}", 10, form, kind, site, when, published, STORED)


def scene(minutes_before: float, site: str = AGRI) -> FileRow:
    return row("scene", site, NOON - minutes_before * MINUTE)


def ordered(rows: Sequence[FileRow]) -> list[FileRow]:
    """As the ledger gives them."""
    return sorted(rows, key=lambda one: (one.obs_time, one.site, one.published_at, one.received_at, one.sha256))


def chosen(region: Region, *rows: FileRow, when: datetime = NOON) -> Chosen:
    return choose_from(ordered(rows), region, when)


def ages(rows: Sequence[FileRow]) -> list[float]:
    """Minutes before noon."""
    return [(NOON - one.obs_time) / MINUTE for one in rows if one.obs_time]


# Geostationary images


def test_newest_and_those_that_show_cooling(place_of_ours: Region) -> None:
    every = [scene(minutes) for minutes in (3, 18, 33, 48, 63)]
    assert ages(chosen(place_of_ours, *every).scenes) == [33, 18, 3]


def test_a_scan_that_ends_after_the_cycle_is_not_used(place_of_ours: Region) -> None:
    assert ages(chosen(place_of_ours, scene(-0.5), scene(14.5), scene(29.5)).scenes) == [29.5, 14.5]
    assert ages(chosen(place_of_ours, scene(0), scene(15)).scenes) == [15, 0]


@pytest.mark.parametrize(("newest", "used"), [(39.9, True), (40, True), (40.1, False), (70, False)])
def test_too_old_an_image_stands_for_nothing(place_of_ours: Region, newest: float, used: bool) -> None:
    assert bool(chosen(place_of_ours, scene(newest), scene(newest + 15)).scenes) is used


def test_every_source_has_its_own_newest(place_of_ours: Region) -> None:
    found = chosen(place_of_ours, scene(8), scene(23), scene(1, GHI), scene(16, GHI), scene(9, GHI)).scenes
    assert [(one.site, age) for one, age in zip(found, ages(found), strict=True)] == [
        (AGRI, 23), (AGRI, 8), (GHI, 16), (GHI, 1),
    ]  # fmt: skip


def test_of_two_versions_of_a_scan_the_last_published_is_used(place_of_ours: Region) -> None:
    first, second = (row("scene", AGRI, NOON - 8 * MINUTE, late=late) for late in (60, 300))
    assert chosen(place_of_ours, first, second).scenes == (second,)
    assert chosen(place_of_ours, second, first).scenes == (second,)


def test_channels_of_one_image_in_a_file_each_are_all_used(place_of_ours: Region) -> None:
    site = "FY-2G/S-VISSR-5566M"
    ir, vapour = (row("scene", site, NOON - 5 * MINUTE, form=awx.FORMAT.name, name=name) for name in ("IR1", "IR3"))
    again = row("scene", site, NOON - 5 * MINUTE, form=awx.FORMAT.name, name="IR1", late=60)
    assert set(chosen(place_of_ours, ir, vapour).scenes) == {ir, vapour}
    assert set(chosen(place_of_ours, ir, vapour, again).scenes) == {again, vapour}


@given(minutes=st.lists(st.integers(-60, 600).map(lambda tenths: tenths / 5), max_size=12, unique=True))
def test_images_are_those_of_the_rule(place_of_ours: Region, minutes: list[float]) -> None:
    """The rule once more, said backwards: of every pair the better is never left out."""
    picked = ages(chosen(place_of_ours, *(scene(minute) for minute in minutes)).scenes)
    there = [minute for minute in minutes if minute >= 0]
    if not there or min(there) > 40:
        assert picked == []
        return
    newest = min(there)
    expected = {newest}
    for back in (15, 30):
        near = [minute for minute in there if minute <= 75 and abs(minute - newest - back) <= 5 + 1e-9]
        best = min((abs(minute - newest - back) for minute in near), default=None)
        found = [minute for minute in picked if abs(minute - newest - back) <= 5 + 1e-9]
        if best is None:
            assert found == []
            continue
        assert any(abs(abs(minute - newest - back) - best) < 1e-6 for minute in found)
        expected |= set(found)
    assert set(picked) == expected
    assert len(picked) <= 3
    assert picked == sorted(picked, reverse=True)


# Passes


def test_the_granules_of_the_newest_pass(place_of_ours: Region) -> None:
    granules = [scene(minutes, MERSI) for minutes in (30, 35, 40, 41, 58)]
    assert ages(chosen(place_of_ours, *granules).scenes) == [40, 35, 30]
    assert chosen(place_of_ours, scene(61, MERSI)).scenes == ()
    assert ages(chosen(place_of_ours, scene(60, MERSI)).scenes) == [60]


def test_places_come_with_the_pass_they_belong_to(place_of_ours: Region) -> None:
    places, other = (row("geolocation", site, NOON - 30 * MINUTE) for site in (MERSI, "FY-3E/MERSI-LL-1000M"))
    assert chosen(place_of_ours, scene(30, MERSI), places, other).places == (places,)
    assert chosen(place_of_ours, places).rows == ()
    again = row("geolocation", MERSI, NOON - 30 * MINUTE, late=60)
    assert chosen(place_of_ours, scene(30, MERSI), places, again).places == (again,)


# Lightning


def test_lightning_of_twenty_minutes(place_of_ours: Region) -> None:
    every = [row("lightning", GLM, NOON - minutes * MINUTE) for minutes in (-1, 0, 7, 19.5, 20, 30)]
    assert ages(chosen(place_of_ours, *every).lightning) == [19.5, 7, 0]


def growing(when: datetime) -> FileRow:
    return row("lightning", "ADTD", when, form=adtd_format.FORMAT.name, name=f"{when.astimezone(BEIJING):%Y_%m_%d}.txt")


def test_of_a_growing_file_the_first_version_that_reaches_the_cycle_counts_once(place_of_ours: Region) -> None:
    versions = [growing(NOON - minutes * MINUTE) for minutes in (18, 12, 6, 1, -3, -200)]
    assert chosen(place_of_ours, *versions[:4]).lightning == (versions[3],)
    assert chosen(place_of_ours, *versions).lightning == (versions[4],)
    assert chosen(place_of_ours, *versions, when=NOON - CYCLE).lightning == (versions[2],)
    assert chosen(place_of_ours, versions[5]).lightning == (versions[5],)
    assert chosen(place_of_ours, growing(NOON + 5 * 60 * MINUTE)).lightning == ()


def test_at_midnight_in_beijing_two_days_count(place_of_ours: Region) -> None:
    midnight = datetime(2026, 7, 1, 16, 0, tzinfo=UTC)
    old, last, new = (growing(midnight + minutes * MINUTE) for minutes in (-9, -2, 3))
    assert chosen(place_of_ours, old, last, new, when=midnight + CYCLE).lightning == (last, new)


# Both


@given(seed=st.integers(0, 2**32 - 1))
def test_the_basis_does_not_depend_on_the_order_of_arrival(place_of_ours: Region, seed: int) -> None:
    rows = [scene(8), scene(23), scene(30, MERSI), row("geolocation", MERSI, NOON - 30 * MINUTE)]
    rows += [row("lightning", site, NOON - minute * MINUTE) for minute in (1, 2) for site in (GLM, GLM, "FY-4A/LMI")]
    rows.append(growing(NOON - MINUTE))
    mixed = random.Random(seed).sample(rows, len(rows))
    came = [replace(one, received_at=NOON + index * MINUTE, published_at=NOON + index * MINUTE)
            for index, one in enumerate(mixed)]  # fmt: skip
    assert basis_of(chosen(place_of_ours, *came), []) == basis_of(chosen(place_of_ours, *rows), [])


# Late


def test_a_late_image_concerns_the_cycles_that_would_choose_it(
    place_of_ours: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "sync_file_system", lambda descriptor: None)
    home, region = Home(tmp_path / "home"), place_of_ours
    # Images are complete 1 minute before each of these cycles; that of the second comes late.
    ends = [START + minutes * MINUTE for minutes in (-1, 14, 29, 44)]
    files = [agri(tmp_path / "in", end) for end in ends]
    ingest([files[0], *files[2:]], home, region, now=NOW)
    ledger = home.ledger()
    cycles = [item.time for item in stale_cycles(ledger, region, START - CYCLE, NOW)]
    assert cycles == [START, START + 30 * MINUTE, START + 48 * MINUTE]
    before = {time: choose_from_ledger(home, region, time) for time in cycles}
    for when in cycles:
        run_cycle(home, region, when)
    assert stale_cycles(ledger, region, START - CYCLE, NOW) == []
    ingest([files[1]], home, region, now=NOW)
    stale = [item.time for item in stale_cycles(ledger, region, START - CYCLE, NOW)]
    # Its own cycle is new; to those after it, it is the image of a quarter and of half an hour before.
    assert stale == [START + 18 * MINUTE, START + 30 * MINUTE, START + 48 * MINUTE]
    after = {time: choose_from_ledger(home, region, time) for time in cycles}
    assert [time for time in cycles if after[time] != before[time]] == stale[1:]


def choose_from_ledger(home: Home, region: Region, when: datetime) -> list[str]:
    return [one.sha256 for one in choose(home.ledger(), region, when).rows]

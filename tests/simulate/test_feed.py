"""The feed: all files, whole, in order; tests/cli/test_simulate.py has the same bytes from two processes."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from wxcore.errors import TimeError, WxcoreError
from wxcore.landing.arrivals import Seen, poll
from wxcore.region import Region, list_regions, load_region
from wxcore.simulate import feed
from wxcore.simulate.feed import SMALL, file_count, plan, send, setting_of, write_feed
from wxcore.simulate.manifest import COLUMNS, manifest_text, read_manifest
from wxcore.simulate.mess import Mess, Sent, disturb, missing
from wxcore.simulate.place import write_place
from wxcore.simulate.planned import Instrument, Planned, Setting
from wxcore.simulate.scene import World

START = datetime(2026, 7, 1, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MESS = Mess(late=0.2, missing=0.1, duplicated=0.2, broken=0.3, seed=5)


def _plan(setting: Setting) -> Iterator[Planned]:
    """In reverse, and each second file overtakes the one before it."""
    minutes = int((setting.end - setting.start) / MINUTE)
    for number in reversed(range(minutes)):
        when = setting.start + number * MINUTE
        arrives = when + timedelta(seconds=90, microseconds=500_000) - (number % 2) * timedelta(seconds=75)
        yield Planned(f"fake/{when:%Y%m%d}/F_{when:%H%M}.bin", when, when + MINUTE, arrives, "fake", (number,))


def _make(setting: Setting, planned: Planned) -> bytes:
    return np.random.default_rng([setting.seed, *map(int, planned.key)]).bytes(1000 + 10 * int(planned.key[0]))


def _die(setting: Setting, planned: Planned) -> bytes:
    if planned.key == (3,):
        os._exit(9)
    return _make(setting, planned)


FAKE = Instrument("fake", _plan, _make)
DEADLY = Instrument("fake", _plan, _die)


@pytest.fixture
def setting(chongqing: Region) -> Setting:
    return Setting(chongqing, World(), SMALL, START, START + 20 * MINUTE, 11)


def _digests(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_all_files_come_whole_in_the_order_of_arrival(setting: Setting, tmp_path: Path) -> None:
    planned = plan(setting, (FAKE,))
    assert [item.key[0] for item in planned][:4] == [1, 0, 3, 2]
    paths = list(write_feed(setting, tmp_path, jobs=1, instruments=(FAKE,)))
    assert paths == [tmp_path / item.path for item in planned]
    assert len(paths) == file_count(setting, instruments=(FAKE,)) == 20
    for path, item in zip(paths, planned, strict=True):
        assert path.read_bytes() == _make(setting, item)
        assert datetime.fromtimestamp(path.stat().st_mtime, UTC) == item.arrives


def test_a_worker_that_dies_is_told(setting: Setting, tmp_path: Path) -> None:
    with pytest.raises(WxcoreError, match="has died"):
        list(write_feed(setting, tmp_path, jobs=2, instruments=(DEADLY,)))
    assert not list(tmp_path.rglob(".*"))
    assert all(name not in os.environ or os.environ[name] != "1" for name in feed.THREADS)


def test_nothing_unfinished_is_seen(setting: Setting, tmp_path: Path) -> None:
    """A watcher that looks between any two files finds those that have come and takes nothing else."""
    seen: Mapping[str, Seen] = {}
    files = disturb(plan(setting, (FAKE,)))
    told: list[Sent] = []
    for number, made in enumerate(send(setting, tmp_path, files, jobs=1, instruments=(FAKE,), wait=told.append), 1):
        assert told[-1] is made.sent
        (tmp_path / "fake" / ".next.bin.part").write_bytes(b"half")
        looked = poll((tmp_path,), seen)
        seen = looked.seen
        ready = {path for path, state in seen.items() if not path.endswith(".part")}
        assert len(ready) == number
        assert not looked.refused


def test_an_early_end_leaves_no_hidden_files(setting: Setting, tmp_path: Path) -> None:
    files = disturb(plan(setting, (FAKE,)))
    for _ in send(setting, tmp_path, files, jobs=1, instruments=(FAKE,)):
        break
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["F_0801.bin"]


def test_the_manifest_says_what_was_sent(setting: Setting, tmp_path: Path) -> None:
    planned = plan(setting, (FAKE,))
    files = disturb(planned, MESS)
    never = missing(planned, files)
    assert never
    made = list(send(setting, tmp_path / "feed", files, jobs=1, mess=MESS, instruments=(FAKE,)))
    assert len(made) == file_count(setting, mess=MESS, instruments=(FAKE,))
    path = tmp_path / "manifest.csv"
    path.write_text(manifest_text(made, never))
    lines = read_manifest(path)
    here = _digests(tmp_path / "feed")
    assert {line.path: line.sha256 for line in lines if line.sha256} == {name: here[name][0] for name in here}
    assert [line.path for line in lines if line.arrives is None] == [item.path for item in never]
    assert {line.path for line in lines if not line.copy} == {item.path for item in planned}
    by_path = {line.path: line for line in lines}
    for sent in files:
        line = by_path[sent.path]
        assert (line.start, line.end, line.broken, line.copy) == (
            sent.planned.start, sent.planned.end, sent.broken, sent.copy
        )  # fmt: skip
        assert line.arrives == sent.arrives.replace(microsecond=0)
        assert line.late_min == pytest.approx(sent.late / MINUTE, abs=0.01)
    path.write_text("a,b\n")
    with pytest.raises(ValueError, match=COLUMNS[0]):
        read_manifest(path)


def test_names_are_told_apart(setting: Setting) -> None:
    with pytest.raises(ValueError, match="two instruments"):
        plan(setting, (FAKE, FAKE))
    with pytest.raises(ValueError, match="planned twice"):
        plan(setting, (FAKE, replace(FAKE, name="other")))


def test_a_setting_has_its_network_and_hours(chongqing: Region) -> None:
    made = setting_of(chongqing, replace(SMALL, stations=40), start=START, hours=1.5)
    assert (made.start, made.end) == (START, START + 90 * MINUTE)
    assert len(made.region.stations) == 40
    assert made.world.scenario == "afternoon"
    assert not made.clean
    with pytest.raises(TimeError):
        setting_of(chongqing, SMALL, start=START.replace(tzinfo=None), hours=1)
    for hours in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="hours"):
            setting_of(chongqing, SMALL, start=START, hours=hours)


@pytest.mark.parametrize("name", list_regions())
def test_the_place_loads_as_the_same_region(name: str, tmp_path: Path) -> None:
    made = setting_of(load_region(name), replace(SMALL, stations=40), start=START, hours=1).region
    for _ in range(2):
        folder = write_place(made, tmp_path)
    loaded = load_region(made.id, root=tmp_path)
    assert loaded == made
    assert loaded.folder == folder
    assert (tmp_path / "rules" / "national.toml").is_file()
    again = write_place(loaded, tmp_path)  # onto itself
    assert load_region(made.id, root=again.parent) == made
    with pytest.raises(ValueError, match="not read from a folder"):
        write_place(replace(made, folder=None), tmp_path)


def test_a_file_that_grows_is_replaced_by_its_versions(setting: Setting, tmp_path: Path) -> None:
    grown = replace(FAKE, plan=_grown)
    versions = [path.read_bytes() for path in write_feed(setting, tmp_path, jobs=1, instruments=(grown,))]
    planned = plan(setting, (grown,))
    assert versions == [_make(setting, item) for item in planned]
    assert [path.name for path in tmp_path.rglob("*")] == ["day.txt"]


def _grown(setting: Setting) -> Iterator[Planned]:
    return (replace(item, path="day.txt") for item in _plan(setting))

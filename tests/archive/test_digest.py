"""The digest is of what the archive says, not of how it came to say it; and readers see whole cycles only."""

import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests.archive.cubes import GRID, NOON, SIX, cube, provenance, storms
from wxcore.archive.digest import content_digest
from wxcore.archive.log import commits
from wxcore.archive.read import list_cycles, open_archive, read_provenance
from wxcore.archive.store import commit_cycle
from wxcore.archive.storms import read_storms

ROOT = Path(__file__).parent.parent.parent
RADARS = ("Z9517", "Z9523", "Z9839")
TIMES = (NOON, NOON + SIX, NOON + timedelta(days=1))


def seen_by(when: datetime, version: int) -> xr.Dataset:
    """A cube whose own list of radars is in an order of its own."""
    names = list(RADARS)
    random.Random(f"{when} {version}").shuffle(names)
    found = cube(when, seed=version)
    found.attrs["radars"] = names[:2]
    return found


def build(root: Path, order: Sequence[tuple[datetime, int]]) -> str:
    for when, version in order:
        commit_cycle(root, "r", GRID, when, seen_by(when, version), storms(when), provenance(when, version))
    return content_digest(root, "r")


def test_any_order_and_any_versions_before_give_one_digest(tmp_path: Path) -> None:
    final = [(when, 2) for when in TIMES]
    wanted = build(tmp_path / "first", final)
    for number, order in enumerate(random.Random(1).sample(list(itertools.permutations(final)), 2)):
        early = [(when, version) for when, version in zip(TIMES, (0, 1, 0), strict=True)][: number + 1]
        assert build(tmp_path / str(number), [*early, *order]) == wanted
    lists = [open_archive(tmp_path / name, region="r").attrs["radars"] for name in ("first", "0", "1")]
    assert len({tuple(names) for names in lists}) > 1, "the test must meet lists of different order"


@pytest.mark.parametrize(
    "change",
    [
        lambda data, table, told: data["vil"].data.__setitem__((0, 0, 0), 17.0),
        lambda data, table, told: data["observed"].data.__setitem__(..., 1 - data["observed"].data),
        lambda data, table, told: data["nearest_radar"].data.__setitem__(..., 1 - data["nearest_radar"].data),
        lambda data, table, told: data["vil"].attrs.__setitem__("method", "another"),
        lambda data, table, told: data.attrs.__setitem__("radars", ["Z9517", "Z9999"]),
        lambda data, table, told: table.__setitem__("lat", 29.5),
        lambda data, table, told: told.__setitem__("levels", "sounding"),
    ],
)
def test_any_change_changes_it(change: Callable[[Any, Any, Any], None], tmp_path: Path) -> None:
    data, table, told = cube(NOON), storms(NOON), provenance(NOON)
    commit_cycle(tmp_path / "a", "r", GRID, NOON, data, table, told)
    change(data, table, told)
    commit_cycle(tmp_path / "b", "r", GRID, NOON, data, table, told)
    assert content_digest(tmp_path / "a", "r") != content_digest(tmp_path / "b", "r")


def test_as_of(tmp_path: Path) -> None:
    before = build(tmp_path, [(NOON, 0)])
    record = commits(tmp_path, "r")[0]
    assert build(tmp_path, [(NOON, 1)]) != before
    assert content_digest(tmp_path, "r", as_of=record.written_at) == before


WRITER = """
import sys
from tests.archive.cubes import *
from wxcore.archive import place
from wxcore.archive.store import commit_cycle
place.sync_file_system = lambda descriptor: None  # a reader sees no difference, and the disk is shared
for number in range(int(sys.argv[2])):
    when, version = NOON + number % 7 * SIX, number // 7
    commit_cycle(sys.argv[1], "r", GRID, when, cube(when, seed=version), storms(when), provenance(when, version))
    print(number, flush=True)
"""


@cache
def made(version: int) -> xr.Dataset:
    """What the writer gives as this version of any cycle."""
    return cube(NOON, seed=version)


def read_while_writing(root: Path | str, number: int) -> int:
    """Read the archive in a loop while another process makes `number` commits; how often it was read.

    Each cycle that a reader sees is one version as a whole: all its variables, its storms and its provenance.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), str(number)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline(), "the writer failed"
    reads, before = 0, 0
    while process.poll() is None or reads == 0:
        found = open_archive(root, region="r").load()
        assert found.sizes["time"] >= before
        before = found.sizes["time"]
        for slot in range(before):
            vil = found["vil"].to_numpy()[slot]
            version = next(
                version for version in range(number // 7 + 1)
                if np.allclose(vil, made(version)["vil"].to_numpy()[0], atol=0.006, equal_nan=True)
            )  # fmt: skip
            whole = made(version)
            for name in ("reflectivity", "mesh", "shi", "observed", "nearest_radar", "composite_height"):
                np.testing.assert_allclose(found[name].to_numpy()[slot], whole[name].to_numpy()[0], atol=0.51)
        when = list_cycles(root, "r")[-1]
        assert read_storms(root, "r", when) is not None
        assert read_provenance(root, "r", when) is not None
        reads += 1
    assert process.stdout.read().count("\n") == number - 1
    assert process.wait() == 0
    return reads


def test_readers_see_whole_cycles_only(tmp_path: Path) -> None:
    assert read_while_writing(tmp_path, 28) > 3  # each of seven cycles in four versions
    assert len(commits(tmp_path, "r")) == 28

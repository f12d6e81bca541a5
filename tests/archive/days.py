"""Days of small cycles, for the tests of upkeep."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.archive.cubes import GRID, SIX, cube, provenance, storms
from wxcore.archive.store import commit_cycle
from wxcore.grid import Grid

REGION = "chongqing"
MIDNIGHT = datetime(2020, 6, 12, tzinfo=UTC)
DAY = MIDNIGHT.date()


def commit(root: Path | str, when: datetime, *, seed: int = 0, version: int = 0, grid: Grid = GRID) -> str:
    """One cycle of random values; the snapshot's id."""
    facts = provenance(when, version)
    return commit_cycle(root, REGION, grid, when, cube(when, seed=seed, grid=grid), storms(when), facts).snapshot_id


def fill(root: Path | str, slots: Iterable[int], midnight: datetime = MIDNIGHT) -> list[datetime]:
    """Cycles in these slots of a day; seed = slot."""
    times = [midnight + slot * SIX for slot in slots]
    for slot, when in zip(slots, times, strict=True):
        commit(root, when, seed=slot)
    return times


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with 25 cycles of one day: a gap, and more than one chunk of the view. Not to be changed."""
    root = tmp_path_factory.mktemp("filled")
    fill(root, [*range(3, 15), *range(18, 30), 239])
    return root

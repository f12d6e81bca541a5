"""A tiny home that several modules start from."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scene import START, tiny_region, write_scene
from tests.faults.watching import quick
from tests.pipeline.issuing import new_office
from tests.pipeline.tiny import Built, build
from wxcore.archive import place
from wxcore.pipeline.home import Home
from wxcore.pipeline.issue import Office
from wxcore.region import Region
from wxcore.times import CYCLE


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Three cycles of the tiny region; copy it, do not change it."""
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture
def no_syncfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits of this process do not wait for what everybody else on the machine writes."""
    monkeypatch.setattr(place, "sync_file_system", lambda descriptor: None)


@pytest.fixture(scope="session")
def region(tmp_path_factory: pytest.TempPathFactory) -> Region:
    return tiny_region(tmp_path_factory.mktemp("meta"))


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory, region: Region) -> list[list[Path]]:
    """Files of three cycles, each published when its cycle was due."""
    found = list(write_scene(region, tmp_path_factory.mktemp("scene"), 3))
    for number, paths in enumerate(found):
        for path in paths:
            os.utime(path, ((START + number * CYCLE).timestamp(),) * 2)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (arriving := tmp_path / "in").mkdir()
    return arriving


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cycles of a watch run in this process, nobody waits for the disk, and the reserve is small."""
    quick(monkeypatch)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """An office in an empty home."""
    made = new_office(tmp_path / "home")
    yield made
    made.ledger.engine.dispose()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that is not there yet."""
    return Home(tmp_path / "home")

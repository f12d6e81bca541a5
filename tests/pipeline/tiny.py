"""A home of the tiny region with three cycles and one refused file, and copies of it for each test to spoil."""

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.faults.scene import START, tiny_region, write_scene
from tests.faults.state import State, state
from wxcore.archive import place
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.report import publish
from wxcore.pipeline.result import RunResult
from wxcore.region import Region
from wxcore.times import CYCLE

CYCLES = 3
NOW = START + CYCLES * CYCLE
RUBBISH = "rubbish.bin"


@dataclass(frozen=True)
class Built:
    """The home before its last cycle and after it.

    Attributes:
        files: what was offered, in the order of cycles; the refused file is not among them.
        touched: files under the archive that the last cycle's commit wrote.
    """

    meta: Path
    region: Region
    files: list[Path]
    before: Path
    after: Path
    touched: tuple[str, ...]
    expected: State
    times: tuple[datetime, ...]

    def copy(self, to: Path) -> Home:
        """The home after its last cycle, once more."""
        return Home(Path(shutil.copytree(self.after, to)))


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def build(folder: Path) -> Built:
    """Ingest three cycles, and run them."""
    region = tiny_region(folder / "meta")
    scene = list(write_scene(region, folder / "in", CYCLES))
    times = tuple(START + number * CYCLE for number in range(CYCLES))
    for when, paths in zip(times, scene, strict=True):
        for path in paths:
            os.utime(path, (when.timestamp(), when.timestamp()))
    files = [path for paths in scene for path in paths]
    (rubbish := folder / "in" / RUBBISH).write_bytes(b"rubbish")
    home = Home(folder / "after")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "sync_file_system", lambda descriptor: None)
        ingest([*files, rubbish], home, region, now=NOW)
        for when in times:
            if when == times[-1]:
                shutil.copytree(home.root, folder / "before")
            cycle = run_cycle(home, region, when)
            publish(home, region, RunResult(region.id, cycle.inputs, (cycle,)), report=False)
    old, new = files_of(folder / "before" / "archive"), files_of(home.root / "archive")
    touched = tuple(sorted(name for name, content in new.items() if old.get(name) != content))
    expected = state(home, region.id, files)
    return Built(folder / "meta", region, files, folder / "before", home.root, touched, expected, times)

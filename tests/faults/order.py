"""A9, A10: the same files, some twice, some corrected, in any order: the same archive in the end."""

import os
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from tests.faults.harness import Outcome, Tally
from tests.faults.scene import START, packed, tiny_region, volume_at, write_scene
from tests.faults.state import State, state
from wxcore.pipeline.home import Home
from wxcore.pipeline.run import run
from wxcore.region import Region
from wxcore.times import CYCLE

CYCLES = 3
BATCHES = 3
PUBLISHED = START + timedelta(minutes=1)
CORRECTED = START + timedelta(minutes=30)
"""When files appear at their source (mtime): the corrected ones later, in whichever order they are delivered."""


@dataclass(frozen=True)
class Delivery:
    """What a source holds: the files, and those of them that are to be used."""

    region: Region
    files: list[Path]


def make(folder: Path) -> Delivery:
    """Cycles of files; of some, duplicates under other names, and corrected versions of the same observation."""
    region = tiny_region(folder / "meta")
    files = [path for batch in write_scene(region, folder / "in", CYCLES) for path in batch]
    for path in files:
        os.utime(path, (PUBLISHED.timestamp(), PUBLISHED.timestamp()))
    twin = folder / "twin.bin"
    twin.write_bytes(files[0].read_bytes())
    site = region.radars[0]
    start = START + CYCLE - CYCLE + timedelta(seconds=20)
    corrected = folder / "corrected" / files[len(region.radars)].name
    corrected.parent.mkdir()
    volume = volume_at(site, start, seed=77)
    corrected.write_bytes(packed(replace(volume, sweeps=volume.sweeps[:-1])))
    for path in (twin, corrected):
        os.utime(path, (CORRECTED.timestamp(), CORRECTED.timestamp()))
    return Delivery(region, [*files, twin, corrected])


def replay(delivery: Delivery, batches: list[list[Path]], home: Home) -> State:
    """Deliver in batches, each with a run of the cycles that it covers, and all of it again at the end."""
    for batch in batches:
        if batch:
            run(batch, home, delivery.region)
    return state(home, delivery.region.id, delivery.files)


def shuffled(n: int, seed: int, folder: Path) -> Outcome:
    """A9: `n` shuffled deliveries in batches; each must end as the ordered delivery at once does."""
    rng, tally = np.random.default_rng(seed), Tally()
    delivery = make(folder)
    expected = replay(delivery, [delivery.files], Home(folder / "ordered"))
    assert len(expected.cycles) == CYCLES
    for number in range(n):
        order = [delivery.files[k] for k in rng.permutation(len(delivery.files))]
        cuts = sorted(rng.integers(0, len(order), BATCHES - 1))
        batches = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
        got = replay(delivery, batches, Home(folder / f"shuffled{number}"))
        tally.add(f"shuffle {number} of seed {seed}", got.differences(expected))
    return tally.outcome("A9 shuffled and doubled")

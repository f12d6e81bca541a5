"""A small afternoon for benches and tests: three radars of Chongqing, two storms, a few volumes.

`wx demo` shows the feed of all instruments instead (`feed`).
"""

import bz2
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from wxcore.radar.cinrad_write import write_standard
from wxcore.region import Region
from wxcore.simulate.feed import AFTERNOON
from wxcore.simulate.radar import scan
from wxcore.simulate.radar_feed import file_name
from wxcore.simulate.scene import Cell, World
from wxcore.times import CYCLE

DEMO_CYCLES = 4
DEMO_RADARS = ("Z9230", "Z9092", "Z9090")

DEMO_CELLS = (
    Cell(105.95, 29.35, 11.0, 6.0, AFTERNOON - timedelta(minutes=50), 140.0, 66.0, 9.0, 9500.0),
    Cell(107.55, 29.90, 9.0, 4.0, AFTERNOON - timedelta(minutes=30), 100.0, 54.0, 8.0, 6000.0),
)
"""A hailstorm that moves from Yongchuan towards the city, and an ordinary thunderstorm east of Changshou."""

DEMO_WORLD = World(cells=DEMO_CELLS)


def write_demo(region: Region, folder: Path, *, seed: int = 20260701) -> Iterator[Path]:
    """Simulate the demo's volumes and write them into `folder`, yielding each path as it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    sites = [site for site in region.radars_at(AFTERNOON) if site.id in DEMO_RADARS]
    for cycle in range(DEMO_CYCLES):
        for number, site in enumerate(sites):
            start = AFTERNOON + cycle * CYCLE - CYCLE + timedelta(seconds=20 + 15 * number)
            volume = scan(site, DEMO_WORLD, start, seed=seed + 100 * cycle + number)
            path = folder / file_name(site, start)
            path.write_bytes(bz2.compress(write_standard(volume)))
            yield path

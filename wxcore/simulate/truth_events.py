"""Simulated truth as events that labels are made of (hazard.labels): hail, gusts and flashes, all SYN."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from wxcore.hazard.labels.events import (
    FLASH_KIND,
    GUST_KIND,
    HAIL_KIND,
    LEAST_GUST_M_S,
    as_events,
    join_events,
)
from wxcore.schema import SIMULATED_MARK
from wxcore.simulate import field_kernels as kernels
from wxcore.simulate.fields import ground, instant
from wxcore.simulate.flashes import Flashes
from wxcore.simulate.scene import KM_PER_DEG, World
from wxcore.times import to_datetime64


def truth_events(world: World, cycles: Sequence[datetime], struck: Sequence[Flashes]) -> pd.DataFrame:
    """Events (labels.events.EVENTS) of a world: hail and gusts at the times of `cycles`, and all flashes of `struck`.

    Args:
        world: what is true. cycles: aware UTC. struck: flashes, each once.

    Raises:
        TimeError: a naive time.
    """
    parts = [part for cycle in cycles for part in (_hail(world, cycle), _gusts(world, cycle))]
    for flashes in struck:
        one = np.ones(flashes.time.size)
        parts.append(as_events(FLASH_KIND, flashes.time, flashes.lat, flashes.lon, one, SIMULATED_MARK))
    return join_events(parts)


def _hail(world: World, when: datetime) -> pd.DataFrame:
    """Largest hail of each cell: in its core."""
    cells = instant(world, when).cells
    cells = cells[cells[:, kernels.HAIL_MM] > 0]
    times = np.full(len(cells), to_datetime64(when))
    lat, lon, size = (cells[:, column] for column in (kernels.LAT, kernels.LON, kernels.HAIL_MM))
    return as_events(HAIL_KIND, times, lat, lon, size, SIMULATED_MARK)


def _gusts(world: World, when: datetime) -> pd.DataFrame:
    """Gusts of each cell's outflow, down the wind of the air, where they are strongest: at the edge of the cell (or at
    the front while that is nearer), and at the front."""
    cells = instant(world, when).cells
    cells = cells[cells[:, kernels.OUTFLOW] > 0]
    u, v = (float(part) for part in world.air.wind(world.air.ground_m + 10))
    speed = float(np.hypot(u, v))
    east, north = (u / speed, v / speed) if speed > 0 else (1.0, 0.0)
    front, edge = cells[:, kernels.FRONT], np.minimum(cells[:, kernels.FRONT], cells[:, kernels.RADIUS])
    parts = []
    for km in (edge, front):
        lon = cells[:, kernels.LON] + km * east / cells[:, kernels.KX]
        lat = cells[:, kernels.LAT] + km * north / KM_PER_DEG
        gust = ground(world, lon, lat, when).gust
        strong = gust >= LEAST_GUST_M_S
        times = np.full(int(strong.sum()), to_datetime64(when))
        parts.append(as_events(GUST_KIND, times, lat[strong], lon[strong], gust[strong], SIMULATED_MARK))
    return join_events(parts)

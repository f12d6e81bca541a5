"""The environment of one cycle: heights of temperature levels, what else the profile tells, and where it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np

from wxcore.environment.levels import Levels, levels_for
from wxcore.environment.profile import Model, Profile, Soundings
from wxcore.environment.thermo_door import indices_of
from wxcore.errors import ReadError
from wxcore.landing.guard import run_guarded
from wxcore.landing.ledger import FileRow
from wxcore.pipeline.gather import load_file, lost
from wxcore.pipeline.home import Home
from wxcore.region import Region
from wxcore.schema import Box
from wxcore.times import require_utc

KEPT = 64
"""Decoded soundings and fields that are kept in memory: they serve every cycle of half a day."""


INDICES_WALL_S = 60.0
"""The indices of a profile are given this [s, our choice]: MetPy takes half a second, and two to start, on a free
machine; a crowded one must not give another result."""

COLUMNS = ("pressure", "height", "temperature", "dew_point", "u", "v")


@dataclass(frozen=True)
class Air:
    """The levels that a cycle uses, the files that told nothing, and whether simulated files may have a part in it."""

    levels: Levels
    missing: tuple[str, ...] = ()
    simulated: bool = False


def by_hand(region: Region, when: datetime, h0_m: float | None, hm20_m: float | None) -> Levels | None:
    """The heights of 0 C and -20 C [m ASL] that a person set, None where nobody did.

    Raises:
        WxcoreError: only one of them is given, or they are impossible.
        TimeError: `when` is naive.
    """
    require_utc(when)
    return None if h0_m is None and hm20_m is None else levels_for(region, when, h0_m=h0_m, hm20_m=hm20_m)


def air_of(home: Home, region: Region, when: datetime, rows: Sequence[FileRow], *, real_only: bool = False) -> Air:
    """The levels of the best of these files, of climatology where none will do (DOMAIN.md section 3).

    Args:
        rows: `Chosen.air`.
        real_only: leave out simulated files, and say so.

    Raises:
        TimeError: `when` is naive.
        OSError: trouble of ours, which says nothing about a file.
    """
    require_utc(when)
    natives: list[Model | Soundings] = []
    missing: list[str] = []
    for row in rows:
        try:
            native = _decoded(home, row, region.grid.bounds)
        except ReadError as error:
            missing.append(lost(row, error))
            continue
        if real_only and native.simulated:
            missing.append(f"file {row.name} (simulated, not used beside real radars)")
        else:
            natives.append(native)
    levels = levels_for(region, when, natives=natives)
    if levels.profile is not None:
        try:
            levels = replace(levels, indices=dict(_indices(*_parts(levels.profile))))
        except ReadError as error:
            missing.append(f"indices of the environment ({error.reason})")
    return Air(levels, tuple(missing), any(native.simulated for native in natives))


def _parts(profile: Profile) -> tuple[Any, ...]:
    """The profile as what can be the key of a cache."""
    columns = (getattr(profile, name).tobytes() for name in COLUMNS)
    return (tuple(columns), profile.time, profile.lat, profile.lon, profile.place)


@lru_cache(maxsize=KEPT)
def _indices(columns: tuple[bytes, ...], time: datetime, lat: float, lon: float, place: str) -> tuple[Any, ...]:
    """(name, value) of each index, from a child: MetPy iterates, and is slow to import."""
    arrays = {name: np.frombuffer(column) for name, column in zip(COLUMNS, columns, strict=True)}
    found = run_guarded(indices_of, Profile(**arrays, time=time, lat=lat, lon=lon, place=place), wall_s=INDICES_WALL_S)
    return tuple(found.items())


@lru_cache(maxsize=KEPT)
def _decoded(home: Home, row: FileRow, box: Box) -> Model | Soundings:
    native = load_file(home, row, box)
    assert isinstance(native, Model | Soundings)
    return native

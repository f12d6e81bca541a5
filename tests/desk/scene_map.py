"""A small archive for the map: three hand-made cycles of the tiny region, in archive and ledger, one hailstorm."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from shapely.geometry import box

from tests.archive.cubes import cube, table
from tests.faults.scene import tiny_region
from wxcore.archive import place
from wxcore.archive.store import commit_cycle
from wxcore.hazard.windows import WINDOWS
from wxcore.landing.ledger import CycleRow, Ledger, Outcome, find_cycle, held, publish_cycle
from wxcore.pipeline.home import Home
from wxcore.region import Region
from wxcore.schema import HAZARDS, NO_ECHO_DBZ, STORMS
from wxcore.times import CYCLE

START = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
TIMES = tuple(START + number * CYCLE for number in range(3))
NOW = TIMES[-1] + CYCLE / 2
STORM, OTHER = "202607010800-001", "202607010806-002"
ECHO, UNSEEN = (20, 10), (0, 0)
"""(row, column) of the one cell with echo, 55 dBZ, and of the one that nobody saw."""

OUTLINE = box(106.10, 29.10, 106.14, 29.14)
LON, LAT = 106.12, 29.12
DBZ, MESH_MM, HAIL = (55.0, 61.0, 64.0), (10.0, 22.0, math.nan), (0.3, 0.5, math.nan)
"""Of STORM in each cycle. In the last one hail was not assessed: the model changed and the satellite was lost."""


@dataclass(frozen=True)
class Scene:
    """A home with three cycles."""

    home: Home
    region: Region
    ledger: Ledger

    def cycle(self, number: int) -> CycleRow:
        """One of its cycles."""
        found = find_cycle(self.ledger, self.region.id, TIMES[number])
        assert found is not None
        return found


def build(folder: Path) -> Scene:
    """Write the archive and the ledger; nobody waits for the disk."""
    region, home = tiny_region(folder / "meta"), Home(folder / "home")
    ledger = home.ledger()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "sync_file_system", lambda descriptor: None)
        for number, when in enumerate(TIMES):
            _commit(home, region, ledger, number, when)
    return Scene(home, region, ledger)


def _commit(home: Home, region: Region, ledger: Ledger, number: int, when: datetime) -> None:
    fingerprint = f"print-{number}"
    provenance: dict[str, Any] = {"fingerprint": fingerprint, "inputs": [], "truth": "SYN", "warnings": []}
    if number == 2:
        provenance["warnings"] = [draft_record()]
    with held(ledger, region.id, when, holder="test") as lease:
        commit = commit_cycle(
            home.archive, region.id, region.grid, when, field(region, when), storm_table(number, when), provenance,
            probabilities=chances(number),
        )  # fmt: skip
        publish_cycle(ledger, lease, Outcome(commit.snapshot_id, fingerprint, degraded=False, missing=()), drafts=[])


def field(region: Region, when: datetime) -> xr.Dataset:
    """No echo but in one cell, and one cell that nobody saw."""
    found = cube(when, grid=region.grid)
    values = np.full((1, region.grid.n_lat, region.grid.n_lon), NO_ECHO_DBZ, "f4")
    values[0][ECHO], values[0][UNSEEN] = 55.0, np.nan
    dims = found["composite_reflectivity"].dims
    return found.assign(composite_reflectivity=(dims, values, found["composite_reflectivity"].attrs))


def storm_table(number: int, when: datetime) -> pd.DataFrame:
    """STORM in all cycles; OTHER, weaker, from the second on."""
    rows = 1 if number == 0 else 2
    found = table(STORMS, when, rows)
    found["storm_id"] = [STORM, OTHER][:rows]
    found["max_dbz"] = [DBZ[number], 45.0][:rows]
    found["mesh_mm"] = [MESH_MM[number], 1.0][:rows]
    found["lat"], found["lon"] = LAT, LON
    found["u_m_s"], found["v_m_s"], found["motion_sd_m_s"] = 10.0, 0.0, 1.0
    shapes, parents = np.empty(rows, dtype=object), np.empty(rows, dtype=object)
    shapes[:] = [OUTLINE] * rows
    parents[:] = [(STORM,)] * rows
    return found.assign(polygon=shapes, parents=parents)


def chances(number: int) -> pd.DataFrame:
    """Hail as HAIL tells; gale 0.1; a thunderstorm 0.9, less sure in the later windows."""
    rows = []
    for storm in [STORM, OTHER][: 1 if number == 0 else 2]:
        for hazard in HAZARDS:
            for window in WINDOWS:
                p = {"hail": HAIL[number], "gale": 0.1, "thunderstorm": 0.9}[hazard] if storm == STORM else 0.2
                rows.append({
                    "storm_id": storm, "hazard": hazard, "lead_start_min": window.start_min,
                    "lead_end_min": window.end_min, "p": p, "model": "hail/2" if number == 2 else "hail/1",
                    "drivers": (f"max {DBZ[number]:.0f} dBZ",), "drivers_zh": (f"最大反射率 {DBZ[number]:.0f} dBZ",),
                    "inputs_missing": ("satellite",) if number == 2 else (),
                })  # fmt: skip
    return pd.DataFrame(rows)


def draft_record() -> dict[str, Any]:
    """What the map reads of a draft's record."""
    ring = [[106.1, 29.1], [106.2, 29.1], [106.2, 29.2], [106.1, 29.2], [106.1, 29.1]]
    return {"id": "tiny-hail-1", "hazard": "hail", "level": "orange", "status": "Test", "polygons": [ring],
            "event_zh": "冰雹", "event_en": "hail", "headline_zh": "冰雹橙色预警", "headline_en": "hail warning",
            "expires": "2026-07-01T09:00:00Z"}  # fmt: skip

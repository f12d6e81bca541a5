"""What a home holds, in a form that two histories of the same files can be compared in."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from wxcore.archive.read import list_cycles, open_archive, read_provenance
from wxcore.archive.storms import read_probabilities, read_storms
from wxcore.landing.ledger import conservation, cycle_versions, find_file, warnings_before
from wxcore.pipeline.home import Home
from wxcore.pipeline.result import plain_record
from wxcore.times import to_datetime64

PROVENANCE_KEYS = ("inputs", "levels", "missing", "notes", "truth", "quality", "warnings")
"""What of the provenance must be the same; who ran it and when may differ."""

EVER = datetime.fromisoformat("2200-01-01T00:00+00:00")


@dataclass(frozen=True)
class State:
    """Contents of a home by what they stand for.

    Attributes:
        files: sha256 to status in the ledger ("absent" where it is not there).
        cycles: cycle time to digest of its fields, tables and provenance.
        drafts: ids of the live drafts in the ledger; cap: names of the files under drafts/.
        faults: invariants that do not hold.
    """

    files: dict[str, str]
    cycles: dict[str, str]
    drafts: tuple[str, ...]
    cap: tuple[str, ...]
    faults: tuple[str, ...]

    def differences(self, expected: "State") -> list[str]:
        """What does not hold, and what is not as expected."""
        found = list(self.faults)
        for name in ("files", "cycles", "drafts", "cap"):
            mine, theirs = getattr(self, name), getattr(expected, name)
            if mine != theirs:
                found.append(f"{name}: {_difference(mine, theirs)}")
        return found


def _difference(mine: Any, theirs: Any) -> str:
    if isinstance(mine, dict):
        keys = [key for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
        return ", ".join(f"{key[:16]} {str(mine.get(key))[:12]} not {str(theirs.get(key))[:12]}" for key in keys[:4])
    return f"{sorted(set(mine) ^ set(theirs))[:4]}"


def state(home: Home, region: str, sources: Iterable[Path]) -> State:
    """What the home holds of these source files; opening it is part of the test."""
    ledger = home.ledger()
    faults: list[str] = []
    counts = conservation(ledger)
    if not counts.holds or counts.pending:
        faults.append(f"conservation {counts}")
    files = {}
    for path in sources:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        row = find_file(ledger, sha256)
        files[sha256] = "absent" if row is None else row.status
    times = list_cycles(home.archive, region)
    cube = open_archive(home.archive, region=region) if times else xr.Dataset()
    cycles = {f"{time:%Y%m%dT%H%M}": _digest(home, region, time, cube) for time in times}
    drafts = tuple(row.id for row in warnings_before(ledger, region, EVER) if row.state == "draft")
    unknown = [time for time in times if not cycle_versions(ledger, region, time)]
    faults += [f"the archive holds {time}, the ledger does not know it" for time in unknown]
    cap = tuple(sorted(path.name for path in home.drafts.glob("*") if not path.name.endswith(".part")))
    ledger.engine.dispose()
    return State(files, cycles, drafts, cap, tuple(faults))


def _digest(home: Home, region: str, when: datetime, cube: xr.Dataset) -> str:
    """Digest of everything that a cycle says; a field that cannot be read whole raises."""
    digest = hashlib.sha256()
    one = cube.sel(time=to_datetime64(when))
    for name in sorted(str(key) for key in one.variables):
        values = one[name].to_numpy()
        digest.update(name.encode() + str(values.dtype).encode() + np.ascontiguousarray(values).tobytes())
    for read in (read_storms, read_probabilities):
        table = read(home.archive, region, when)
        rows = [] if table is None else table.drop(columns=["polygon", "time"], errors="ignore").to_dict("records")
        digest.update(json.dumps([plain_record(row) for row in rows], sort_keys=True).encode())
    provenance = read_provenance(home.archive, region, when) or {}
    kept = {key: provenance.get(key) for key in PROVENANCE_KEYS}
    kept["warnings"] = [_without_text_times(row) for row in kept["warnings"] or []]
    digest.update(json.dumps(kept, sort_keys=True, ensure_ascii=False).encode())
    return digest.hexdigest()


def _without_text_times(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "created_at"}

"""What a home holds, in a form that two histories of the same files can be compared in."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from wxcore.archive.digest import content_digest
from wxcore.archive.read import list_cycles
from wxcore.landing.ledger import conservation, cycle_versions, find_file, warnings_before
from wxcore.pipeline.home import Home

EVER = datetime.fromisoformat("2200-01-01T00:00+00:00")


@dataclass(frozen=True)
class State:
    """Contents of a home by what they stand for.

    Attributes:
        files: sha256 to status in the ledger ("absent" where it is not there).
        cycles: times of the cycles in the archive; archive: digest of all that it says.
        drafts: ids of the live drafts in the ledger; cap: names of the files under drafts/.
        faults: invariants that do not hold.
    """

    files: dict[str, str]
    cycles: tuple[str, ...]
    archive: str
    drafts: tuple[str, ...]
    cap: tuple[str, ...]
    faults: tuple[str, ...]

    def differences(self, expected: "State") -> list[str]:
        """What does not hold, and what is not as expected."""
        found = list(self.faults)
        for name in ("files", "cycles", "archive", "drafts", "cap"):
            mine, theirs = getattr(self, name), getattr(expected, name)
            if mine != theirs:
                found.append(f"{name}: {_difference(mine, theirs)}")
        return found


def _difference(mine: Any, theirs: Any) -> str:
    if isinstance(mine, dict):
        keys = [key for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
        return ", ".join(f"{key[:16]} {str(mine.get(key))[:12]} not {str(theirs.get(key))[:12]}" for key in keys[:4])
    if isinstance(mine, str):
        return f"{mine[:12]} not {theirs[:12]}"
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
    archive = content_digest(home.archive, region) if times else ""
    drafts = tuple(row.id for row in warnings_before(ledger, region, EVER) if row.state == "draft")
    unknown = [time for time in times if not cycle_versions(ledger, region, time)]
    faults += [f"the archive holds {time}, the ledger does not know it" for time in unknown]
    cap = tuple(sorted(path.name for path in home.drafts.glob("*") if not path.name.endswith(".part")))
    ledger.engine.dispose()
    cycles = tuple(f"{time:%Y%m%dT%H%M}" for time in times)
    return State(files, cycles, archive, drafts, cap, tuple(faults))

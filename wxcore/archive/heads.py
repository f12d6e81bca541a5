"""A durable copy of a repository's head: the files that a commit overwrites, which a power cut may tear.

    <region>/heads/000000000042-<snapshot id>.json    {"snapshot_id", "cycle", "files": {path under repo/: base64}}

Icechunk 1 overwrites refs/branch.<name>/ref.json, Icechunk 2 overwrites repo; all other files have random names and are
written once. A head is saved after syncfs: all that its snapshot needs is on the disk by then. So the newest head
names the newest commit that no power cut can have touched. An object store needs none of it.
"""

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wxcore.archive.place import REPO, Place, make_durable, write_file
from wxcore.errors import TimeError
from wxcore.times import iso, parse_time

HEADS = "heads"
KEEP = 5
"""Heads kept. The newest is all that a power cut needs; the others are for a disk that lied about it."""

KEEP_OVERWRITTEN = 3
"""Icechunk 2 keeps every former `repo` in overwritten/: 65 MB after 400 commits (measured). heads/ is for that."""

_NAME = re.compile(r"(\d{12})-([0-9A-Z]{20})\.json")


@dataclass(frozen=True)
class Head:
    """One head. `cycle` is that of the commit; None where it was none of a cycle."""

    snapshot_id: str
    cycle: datetime | None
    files: dict[str, bytes]


def seal(place: Place, snapshot_id: str, cycle: datetime | None, *, forget: bool = False) -> None:
    """Make everything written so far durable, then save the head. To be called with the writer's lock held.

    Args:
        snapshot_id: tip of the branch.
        cycle: what was committed; None where it was none of a cycle.
        forget: drop the former heads (an expiry took away what they name).

    Raises:
        OSError: disk full, or a write error: the commit must not be acknowledged.
    """
    if not place.local:
        return
    make_durable(place)
    repo = place.folder / REPO
    paths = [path for path in (repo / "repo", *sorted(repo.glob("refs/branch.*/ref.json"))) if path.is_file()]
    record = {
        "snapshot_id": snapshot_id,
        "cycle": iso(cycle) if cycle else None,
        "files": {str(path.relative_to(repo)): base64.b64encode(path.read_bytes()).decode() for path in paths},
    }
    former = _paths(place)
    number = int(former[0].name.split("-")[0]) + 1 if former else 0
    write_file(place.folder / HEADS / f"{number:012d}-{snapshot_id}.json", json.dumps(record).encode())
    for path in former if forget else former[KEEP - 1 :]:
        path.unlink()
    for path in sorted(repo.glob("overwritten/repo.*"))[KEEP_OVERWRITTEN:]:  # the newest sorts first
        path.unlink(missing_ok=True)


def sealed_ids(place: Place) -> list[str]:
    """Snapshot ids of the heads, newest first."""
    return [path.stem.split("-")[1] for path in _paths(place)] if place.local else []


def read_heads(place: Place) -> list[Head]:
    """The heads, newest first; what cannot be read is left out."""
    found: list[Head] = []
    for path in _paths(place):
        try:
            record = json.loads(path.read_bytes())
            files = {name: base64.b64decode(text, validate=True) for name, text in record["files"].items()}
            cycle = parse_time(record["cycle"]) if record["cycle"] else None
            found.append(Head(str(record["snapshot_id"]), cycle, files))
        except (ValueError, KeyError, TypeError, OSError, TimeError):
            continue
    return found


def restore_head(place: Place, head: Head) -> None:
    """Put a head's files back. To be called with the writer's lock held.

    Raises:
        OSError: disk full, or a write error.
    """
    for name, content in head.files.items():
        write_file(place.folder / REPO / name, content)


def _paths(place: Place) -> list[Path]:
    folder = place.folder / HEADS
    return sorted((path for path in folder.glob("*.json") if _NAME.fullmatch(path.name)), reverse=True)

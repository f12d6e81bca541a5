"""Bytes go after their rows, and never those that somebody is about to enter."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.landing.doors import record_file
from tests.landing.test_ledger import NOON, ROW, numbered
from wxcore.errors import TimeError
from wxcore.landing.land import Landed, land
from wxcore.landing.ledger import (
    GONE,
    Arrival,
    FileRow,
    Ledger,
    conservation,
    discard,
    discard_litter,
    expire_files,
    find_file,
    receive,
)

Folders = tuple[Path, Path]
LATER = NOON + timedelta(days=40)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file at its source."""
    path = tmp_path / "source"
    path.write_bytes(b"bytes of a radar")
    return path


def stored(ledger: Ledger, source: Path, landing: Path) -> Landed:
    landed = land(source, landing)
    values = {**vars(ROW), "sha256": landed.sha256, "size": landed.size, "received_at": NOON, "published_at": NOON}
    record_file(ledger, FileRow(**values))
    return landed


def arrival(landed: Landed) -> Arrival:
    return Arrival(landed.sha256, landed.name, landed.size, LATER)


def test_bytes_that_expire_before_their_entry_are_landed_again(
    journaled: Ledger, folders: Folders, source: Path
) -> None:
    stored(journaled, source, folders[0])
    landed = land(source, folders[0])  # the bytes are there already
    assert discard(journaled, folders[0], expire_files(journaled, LATER)) == 1
    other = Arrival(numbered(1), "x", 3, LATER)
    (folders[0] / "00").mkdir()
    (folders[0] / "00" / numbered(1)).write_bytes(b"abc")
    assert receive(journaled, [arrival(landed), other, arrival(landed)], look=True) == [GONE, "pending", GONE]
    assert find_file(journaled, landed.sha256) is None
    assert conservation(journaled).pending == 1
    assert receive(journaled, [arrival(land(source, folders[0]))], look=True) == ["pending"]
    assert landed.path.read_bytes() == source.read_bytes()
    assert conservation(journaled).holds


def test_bytes_that_are_entered_before_they_are_discarded_stay(
    journaled: Ledger, folders: Folders, source: Path
) -> None:
    landed = stored(journaled, source, folders[0])
    gone = expire_files(journaled, LATER)
    assert receive(journaled, [arrival(landed)], look=True) == ["pending"]
    assert discard(journaled, folders[0], gone) == 0
    assert landed.path.read_bytes() == source.read_bytes()


def test_half_written_bytes_are_not_there(journaled: Ledger, folders: Folders, source: Path) -> None:
    landed = land(source, folders[0])
    landed.path.chmod(0o644)
    landed.path.write_bytes(b"half")
    assert receive(journaled, [arrival(landed)], look=True) == [GONE]


def test_what_a_crash_left_is_swept_up(journaled: Ledger, folders: Folders, source: Path, tmp_path: Path) -> None:
    landed = stored(journaled, source, folders[0])
    os.utime(landed.path, (NOON.timestamp(), NOON.timestamp()))
    assert expire_files(journaled, LATER) == [landed.sha256]  # killed here
    assert expire_files(journaled, LATER) == []
    assert landed.path.exists()
    source.write_bytes(b"known")
    known = stored(journaled, source, folders[0])
    os.utime(known.path, (NOON.timestamp(), NOON.timestamp()))
    source.write_bytes(b"landed, about to be entered")
    fresh = land(source, folders[0])
    assert discard_litter(journaled, folders[0], NOON) == 0
    assert discard_litter(journaled, folders[0], LATER) == 1
    assert [path.exists() for path in (landed.path, known.path, fresh.path)] == [False, True, True]
    with pytest.raises(TimeError):
        discard_litter(journaled, folders[0], NOON.replace(tzinfo=None))

"""The log of commits tells what went in."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.archive.cubes import GRID, NOON, SIX, cube, provenance, storms
from wxcore import __version__
from wxcore.archive.log import commits, list_tags, tag_snapshot
from wxcore.archive.place import place_of, read_marker, write_marker
from wxcore.archive.read import open_archive
from wxcore.archive.repository import HISTORY_FROM, new_marker
from wxcore.archive.store import commit_cycle
from wxcore.errors import ArchiveError


def commit(root: Path, when: datetime, **told: object) -> str:
    return commit_cycle(root, "r", GRID, when, cube(when), storms(when), provenance(when) | told).snapshot_id


def test_a_record_tells_what_went_in(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    first = commit(tmp_path, NOON + SIX, missing=["Z9517"])
    second = commit(tmp_path, NOON, inputs=[])
    newest, oldest = commits(tmp_path, "r")
    assert (newest.snapshot_id, oldest.snapshot_id) == (second, first)
    assert (oldest.cycle, newest.cycle) == (NOON + SIX, NOON)
    assert (oldest.inputs, newest.inputs) == (("00" * 32,), ())
    assert (oldest.missing, oldest.degraded, newest.missing, newest.degraded) == (("Z9517",), True, (), False)
    assert oldest.fingerprint == provenance(NOON + SIX)["fingerprint"]
    assert oldest.wxcore == __version__
    assert before <= oldest.written_at < newest.written_at <= datetime.now(UTC)
    assert commits(tmp_path, "r", since=second) == []
    assert commits(tmp_path, "r", since="0" * 20) == [newest, oldest]


def test_a_note_alone_is_degraded(tmp_path: Path) -> None:
    commit(tmp_path, NOON, notes=["0 C height from climatology"])
    assert commits(tmp_path, "r")[0].degraded


def test_tags(tmp_path: Path) -> None:
    assert list_tags(tmp_path, "r") == {}
    first = commit(tmp_path, NOON)
    second = commit(tmp_path, NOON + SIX)
    tag_snapshot(tmp_path, "r", "b", first)
    tag_snapshot(tmp_path, "r", "a", second)
    assert list_tags(tmp_path, "r") == {"a": second, "b": first}
    with pytest.raises(ArchiveError, match="was not made"):
        tag_snapshot(tmp_path, "r", "c", "0" * 20)
    with pytest.raises(ArchiveError, match="no archive here"):
        tag_snapshot(tmp_path, "elsewhere", "c", first)


def test_before_the_history_that_is_kept(tmp_path: Path) -> None:
    commit(tmp_path, NOON)
    time.sleep(0.01)
    place, now = place_of(tmp_path, "r"), datetime.now(UTC)
    assert read_marker(place) == new_marker()
    write_marker(place, new_marker().replace(b"}", f', "{HISTORY_FROM}": "{now.isoformat()}"}}'.encode()))
    with pytest.raises(ArchiveError, match="has expired, the history is kept from") as caught:
        open_archive(tmp_path, region="r", as_of=now - timedelta(microseconds=1))
    assert "已过期" in caught.value.zh
    assert open_archive(tmp_path, region="r", as_of=now).sizes["time"] == 1

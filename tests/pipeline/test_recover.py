"""After a crash, a torn commit or a lost ledger a home is what it would have been, and a whole one is not touched."""

import os
import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.faults.state import state
from tests.pipeline.tiny import NOW, Built, files_of
from wxcore.archive.log import commits
from wxcore.archive.read import list_cycles, read_provenance
from wxcore.errors import WxcoreError
from wxcore.landing.ledger import Conservation, conservation, cycle_versions, find_cycle, state_hash
from wxcore.pipeline import recover as recover_module
from wxcore.pipeline.catchup import BACK, stale_cycles
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.recover import LEFTOVER_S, REBUILT, SOUND, recover_home

pytestmark = pytest.mark.usefixtures("no_syncfs")


@pytest.fixture
def home(built: Built, tmp_path: Path) -> Home:
    return built.copy(tmp_path / "home")


def lose(home: Home) -> None:
    for path in home.root.glob("ledger.sqlite*"):
        path.unlink()


def hashed(home: Home) -> tuple[str, Conservation]:
    """State of the ledger; nothing of it stays open, or in its -wal."""
    ledger = home.ledger()
    found = state_hash(ledger), conservation(ledger)
    ledger.engine.dispose()
    return found


def damage_header(home: Home) -> None:
    with (home.root / "ledger.sqlite").open("r+b") as file:
        file.write(b"x" * 100)


def damage_middle(home: Home) -> None:
    """Pages that an opening does not read."""
    with (home.root / "ledger.sqlite").open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))


def tear(home: Home, built: Built) -> None:
    """A power cut: every file that the last commit wrote has its name and no bytes."""
    for name in built.touched:
        (home.root / "archive" / name).write_bytes(b"")


def ledger_before(home: Home, built: Built) -> None:
    """The ledger as it was before the last cycle: a commit comes first, and then its row."""
    lose(home)
    shutil.rmtree(home.warnings)
    shutil.copytree(built.before / "warnings", home.warnings)
    for path in built.before.glob("ledger.sqlite*"):
        shutil.copy2(path, home.root)


def test_nothing_wrong_nothing_changed(home: Home, built: Built) -> None:
    ledger = home.ledger()
    before = (
        files_of(home.root / "archive"), files_of(home.landing), files_of(home.warnings), state_hash(ledger),
        [row.snapshot_id for row in commits(home.archive, built.region.id)],
    )  # fmt: skip
    times = {
        path: path.stat().st_mtime_ns for path in home.root.rglob("*") if path.is_file() and "lock" not in path.name
    }
    for thorough in (False, True):
        found = recover_home(home, built.region, thorough=thorough)
        assert found.clean
        assert (found.ledger, found.archive, found.lost, found.rerun, found.failed) == (SOUND, "clean", (), (), ())
    after = (
        files_of(home.root / "archive"), files_of(home.landing), files_of(home.warnings), state_hash(ledger),
        [row.snapshot_id for row in commits(home.archive, built.region.id)],
    )  # fmt: skip
    assert after == before
    changed = [path.name for path, mtime in times.items() if path.stat().st_mtime_ns != mtime]
    assert [name for name in changed if not name.startswith("ledger.sqlite-")] == []


def test_a_home_that_does_not_exist_yet(tmp_path: Path, built: Built) -> None:
    assert recover_home(Home(tmp_path / "new"), built.region, thorough=True).clean


@pytest.mark.parametrize("spoil", [lose, damage_header, damage_middle])
def test_a_ledger_that_is_lost_or_damaged(home: Home, built: Built, spoil: Callable[[Home], None]) -> None:
    before = hashed(home)
    assert not (home.root / "ledger.sqlite-wal").exists()
    spoil(home)
    found = recover_home(home, built.region, thorough=True)
    assert (found.ledger, found.archive, found.rerun, found.clean) == (REBUILT, "clean", (), False)
    assert hashed(home) == before
    assert stale_cycles(home.ledger(), built.region, NOW - BACK, NOW) == []
    assert state(home, built.region.id, built.files).differences(built.expected) == []
    assert bool(list(home.root.glob("torn-*"))) is (spoil is not lose), "a damaged file is kept"
    assert recover_home(home, built.region, thorough=True).clean


def test_a_torn_commit_that_the_ledger_knows(home: Home, built: Built) -> None:
    """The disk said that it was written, and it was not."""
    tear(home, built)
    told: list[datetime] = []
    found = recover_home(home, built.region, progress=told.append)
    assert found.ledger == SOUND
    assert found.archive in {"reset", "restored"}
    assert found.rerun == tuple(told) == built.times[-1:]
    assert state(home, built.region.id, built.files).differences(built.expected) == []
    assert recover_home(home, built.region, thorough=True).clean


def test_without_rerun_it_is_only_marked(home: Home, built: Built) -> None:
    tear(home, built)
    found = recover_home(home, built.region, rerun=False)
    assert (found.rerun, found.clean) == ((), False)
    row = find_cycle(home.ledger(), built.region.id, built.times[-1])
    assert row is not None
    assert row.basis == ""
    assert [one.time for one in stale_cycles(home.ledger(), built.region, NOW - BACK, NOW)] == [built.times[-1]]


def test_a_torn_commit_that_the_ledger_does_not_know(home: Home, built: Built) -> None:
    """Nobody ever heard of it: the watch finds a cycle that was not run."""
    ledger_before(home, built)
    tear(home, built)
    found = recover_home(home, built.region, rerun=False)
    assert found.archive in {"reset", "restored"}
    assert list_cycles(home.archive, built.region.id) == list(built.times[:-1])
    stale = [one.time for one in stale_cycles(home.ledger(), built.region, NOW - BACK, NOW)]
    assert stale == [built.times[-1]]
    run_cycle(home, built.region, built.times[-1])
    assert state(home, built.region.id, built.files).differences(built.expected) == []


def test_a_whole_commit_that_the_ledger_does_not_know(home: Home, built: Built) -> None:
    ledger_before(home, built)
    found = recover_home(home, built.region)
    assert (found.archive, found.lost, found.rerun) == ("adopted", (), built.times[-1:])
    now = state(home, built.region.id, built.files)
    assert (now.files, now.faults) == (built.expected.files, ())
    assert now.cycles == built.expected.cycles
    assert set(now.drafts) < set(built.expected.drafts), "months later it warns of nothing"
    live = (read_provenance(home.archive, built.region.id, built.times[-1]) or {})["warnings"]
    assert {item["id"] for item in live} <= set(now.drafts), "nor says that it had"
    assert len(commits(home.archive, built.region.id)) == len(built.times) + 1
    assert recover_home(home, built.region).clean


def test_ledger_and_archive_at_once(home: Home, built: Built) -> None:
    lose(home)
    tear(home, built)
    found = recover_home(home, built.region)
    assert (found.ledger, found.rerun) == (REBUILT, built.times[-1:])
    assert state(home, built.region.id, built.files).differences(built.expected) == []
    assert recover_home(home, built.region, thorough=True).clean


def test_an_archive_that_is_gone_is_made_again(home: Home, built: Built) -> None:
    for path in (home.root / "archive").rglob("*"):
        if path.is_file() and "lock" not in path.name:
            path.write_bytes(b"")
    found = recover_home(home, built.region)
    assert (found.archive, found.rerun, found.failed) == ("rebuilt", built.times, ())
    assert list_cycles(home.archive, built.region.id) == list(built.times)
    assert state(home, built.region.id, built.files).cycles == built.expected.cycles


def test_a_cycle_that_cannot_be_run_again_is_told(home: Home, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    tear(home, built)
    error = WxcoreError("no", "否")

    def run_cycle(*args: object, **words: object) -> None:
        raise error

    monkeypatch.setattr(recover_module, "run_cycle", run_cycle)
    found = recover_home(home, built.region)
    assert (found.rerun, found.failed, found.clean) == ((), ((built.times[-1], error),), False)
    assert stale_cycles(home.ledger(), built.region, NOW - BACK, NOW) != [], "a watch will try again"


def test_it_publishes_no_warning_for_what_is_past(home: Home, built: Built) -> None:
    """Run again months later it is a re-analysis."""
    versions = cycle_versions(home.ledger(), built.region.id, built.times[-1])
    tear(home, built)
    recover_home(home, built.region)
    *before, last = cycle_versions(home.ledger(), built.region.id, built.times[-1])
    assert before == versions
    assert last.reanalysis is True
    assert last.fingerprint == versions[-1].fingerprint


def test_half_copied_files_go_and_young_ones_stay(home: Home, built: Built) -> None:
    incoming = home.landing / "incoming"
    incoming.mkdir(exist_ok=True)
    for name, age in (("old", LEFTOVER_S + 60), ("young", 0)):
        (incoming / name).write_bytes(b"half")
        os.utime(incoming / name, (time.time() - age,) * 2)
    recover_home(home, built.region)
    assert [path.name for path in incoming.iterdir()] == ["young"]

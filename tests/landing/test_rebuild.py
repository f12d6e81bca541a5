"""A ledger that is lost or damaged comes back from its journals and the landed bytes, the same as it was (B14)."""

import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.landing.doors import record_cycle, record_file, record_warnings, withdraw_drafts
from tests.landing.test_ledger import ARRIVAL, BAD, MINUTE, NOON, ROW, numbered, refuse
from wxcore.errors import LedgerError
from wxcore.landing.land import land
from wxcore.landing.ledger import (
    Ledger,
    conservation,
    cycle_versions,
    decide,
    expire_files,
    find_file,
    is_empty,
    known_arrivals,
    open_ledger,
    pending_files,
    prune_journal,
    rebuild,
    receive,
    state_hash,
)
from wxcore.landing.ledger.engine import reading
from wxcore.landing.ledger.journal import append, day_files, journal_folder
from wxcore.landing.ledger.tables import TALLIES

Folders = tuple[Path, Path]
CYCLE = {
    "region": "r", "time": "2020-06-12T05:42:00.000000Z", "snapshot_id": "S", "fingerprint": "", "degraded": False,
    "missing": "[]", "committed_at": "2020-06-12T05:45:00.000000Z",
}  # fmt: skip
"""The event of a cycle, as this version writes it: later ones must still read it."""


def live(ledger: Ledger) -> None:
    """A short life with everything in it."""
    for number in range(6):
        receive(ledger, [replace(ARRIVAL, sha256=numbered(number), arrival_key=f"k{number}")] * (1 + number % 2))
    decide(ledger, [replace(ROW, sha256=numbered(number)) for number in range(3)])
    decide(ledger, [replace(BAD, sha256=numbered(number)) for number in (3, 4)])
    receive(ledger, [replace(ARRIVAL, sha256=numbered(number), published_at=NOON + 2 * MINUTE) for number in (0, 3)])
    record_file(ledger, replace(ROW, sha256="c" * 64))
    refuse(ledger, NOON, "folder")
    for version in ("S1", "S2"):
        record_cycle(ledger, "r", NOON, snapshot_id=version, degraded=False, missing=["雷达"], fingerprint=version)
    record_warnings(ledger, [(f"w{n}", "r", NOON, "hail", "red", {"zh": "冰雹", "p": n / 3}) for n in range(3)])
    record_warnings(ledger, [("w0", "r", NOON, "hail", "orange", {})])
    withdraw_drafts(ledger, "r", NOON, ["w0", "w1"])


def again(url: str, folders: Folders) -> Ledger:
    ledger = open_ledger(url)
    rebuild(ledger, *folders)
    return ledger


def tallies(ledger: Ledger) -> dict[str, int]:
    with reading(ledger) as connection:
        return {row.outcome: row[1] for row in connection.execute(select(TALLIES))}


def everything(ledger: Ledger) -> tuple[object, ...]:
    keys = [*(f"k{n}" for n in range(6)), "folder"]
    return (
        state_hash(ledger), conservation(ledger), tallies(ledger), known_arrivals(ledger, keys),
        cycle_versions(ledger, "r", NOON),
    )  # fmt: skip


def test_a_lost_ledger_comes_back(
    journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders
) -> None:
    live(journaled)
    other = "postgresql" if kind == "sqlite" else "sqlite"
    for target in (kind, other):  # the journals do not care which database it was
        rebuilt = again(new_url(target), folders)
        assert everything(rebuilt) == everything(journaled)
        assert conservation(rebuilt).holds
        rebuilt.engine.dispose()


def test_a_long_journal(new_url: Callable[[str], str], folders: Folders) -> None:
    first = open_ledger(new_url("sqlite"), landing=folders[0], warnings=folders[1])
    for start in range(0, 1300, 100):
        receive(first, [replace(ARRIVAL, sha256=numbered(start + number)) for number in range(100)])
    ledger = open_ledger(new_url("sqlite"))
    assert rebuild(ledger, *folders).events == 1300
    assert everything(ledger) == everything(first)


def test_life_goes_on_after_a_rebuild(
    journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders
) -> None:
    live(journaled)
    url = new_url(kind)
    again(url, folders).engine.dispose()
    second = open_ledger(url, landing=folders[0], warnings=folders[1])
    live(second)
    third = again(new_url(kind), folders)
    assert everything(third) == everything(second)
    for ledger in (second, third):
        ledger.engine.dispose()


def test_state_hash_sees_every_change(ledger: Ledger) -> None:
    seen = {state_hash(ledger)}
    for change in (
        lambda: receive(ledger, [ARRIVAL]),
        lambda: decide(ledger, [BAD]),
        lambda: record_cycle(ledger, "r", NOON, snapshot_id="S", degraded=False, missing=[]),
        lambda: record_warnings(ledger, [("w", "r", NOON, "hail", "red", {})]),
        lambda: withdraw_drafts(ledger, "r", NOON, []),
    ):
        change()
        assert state_hash(ledger) not in seen
        seen.add(state_hash(ledger))


def test_landed_files_that_no_line_knows_wait_for_their_decision(
    journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders, tmp_path: Path
) -> None:
    contents = [b"known", b"landed just before the power went"]
    landed = []
    for number, content in enumerate(contents):
        (tmp_path / f"{number}").write_bytes(content)
        landed.append(land(tmp_path / f"{number}", folders[0]))
    (folders[0] / "incoming" / "rest").write_bytes(b"half")
    receive(journaled, [replace(ARRIVAL, sha256=landed[0].sha256)])
    ledger = open_ledger(new_url(kind))
    assert is_empty(ledger)
    result = rebuild(ledger, *folders)
    assert (result.adopted, result.events) == (1, 1)
    assert not is_empty(ledger)
    adopted = find_file(ledger, hashlib.sha256(contents[1]).hexdigest())
    assert adopted is not None
    assert (adopted.name, adopted.size, adopted.status) == (adopted.sha256, len(contents[1]), "pending")
    assert abs(datetime.now(UTC) - adopted.received_at) < timedelta(minutes=5)
    assert len(pending_files(ledger, 9)) == 2
    assert conservation(ledger).holds
    ledger.engine.dispose()


def test_only_an_empty_ledger_is_rebuilt(journaled: Ledger, folders: Folders) -> None:
    live(journaled)
    before = everything(journaled)
    with pytest.raises(LedgerError, match="not empty") as caught:
        rebuild(journaled, *folders)
    assert "不为空" in caught.value.zh
    assert everything(journaled) == before


def test_an_interrupted_rebuild_leaves_nothing(
    journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(journaled)
    url = new_url(kind)
    ledger = open_ledger(url)

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("wxcore.landing.ledger.warnings._draft", stop)
        with pytest.raises(KeyboardInterrupt):
            rebuild(ledger, *folders)
    assert is_empty(ledger)
    ledger.engine.dispose()
    rebuilt = again(url, folders)
    assert everything(rebuilt) == everything(journaled)
    rebuilt.engine.dispose()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**20))
def test_damaged_lines_cost_no_more_than_themselves(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("damage")
    folders = (folder / "landing", folder / "warnings")
    first = open_ledger(folder / "a.sqlite", landing=folders[0], warnings=folders[1])
    live(first)
    for path in (*day_files(journal_folder(folders[0])), *day_files(folders[1])):
        content = bytearray(path.read_bytes())
        for step in range(1 + seed % 3):
            content[(seed * 7919 + step * 104729) % len(content)] ^= 0x55
        path.write_bytes(content)
    ledger = open_ledger(folder / "b.sqlite")
    result = rebuild(ledger, *folders)
    counts = conservation(ledger)
    assert counts.holds
    assert sum(result.broken.values()) >= 1
    assert counts.received >= conservation(first).received - 2 * 3
    for opened in (first, ledger):
        opened.engine.dispose()


def test_what_newer_programs_told_is_counted(ledger: Ledger, folders: Folders) -> None:
    append(folders[1], "a", "start", [("novelty", {"x": 1}), ("cycle", CYCLE)])
    result = rebuild(ledger, *folders)
    assert (result.events, sum(result.broken.values())) == (1, 1)
    assert len(cycle_versions(ledger, "r", NOON)) == 1


class TestPrune:
    def aged(self, folders: Folders, day: str) -> Path:
        """Pretend that today's journal was written on another day."""
        path = day_files(journal_folder(folders[0]))[-1]
        return path.rename(path.with_name(f"{day}.jsonl"))

    def test_a_pruned_journal_still_rebuilds_the_same(
        self, journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders
    ) -> None:
        live(journaled)  # all received at noon of 12 June; what still waits must survive
        old = self.aged(folders, "20200612")
        receive(journaled, [replace(ARRIVAL, sha256=numbered(1), received_at=NOON + timedelta(days=3))])
        cut = NOON + timedelta(days=1)
        assert prune_journal(journaled, NOON) == []
        gone = expire_files(journaled, cut)
        assert sorted(gone) == sorted([numbered(2), numbered(4), "c" * 64, numbered(0)])
        assert prune_journal(journaled, cut) == [old]
        assert not old.exists()
        rebuilt = again(new_url(kind), folders)
        assert everything(rebuilt) == everything(journaled)
        assert conservation(rebuilt).holds
        rebuilt.engine.dispose()

    def test_tallies_outlive_the_days_that_told_them(
        self, journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders
    ) -> None:
        record_file(journaled, ROW)
        refuse(journaled)
        assert expire_files(journaled, NOON + timedelta(days=1)) == [ROW.sha256]
        self.aged(folders, "20200614")
        refuse(journaled, NOON + timedelta(days=1))
        self.aged(folders, "20200615")
        cut = NOON + timedelta(days=9)  # nothing is left to expire but a refusal, and nobody expires it first
        assert len(prune_journal(journaled, cut)) == 2
        assert tallies(journaled) == {"stored": 1, "quarantined": 2}
        assert prune_journal(journaled, cut) == []
        rebuilt = again(new_url(kind), folders)
        assert everything(rebuilt) == everything(journaled)
        assert conservation(rebuilt).received == 3
        rebuilt.engine.dispose()

    def test_no_day_goes_before_an_older_one(
        self, journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders
    ) -> None:
        record_file(journaled, ROW)
        refuse(journaled, NOON + timedelta(days=3650))  # a clock that was ahead
        self.aged(folders, "20200612")
        expire_files(journaled, NOON + timedelta(days=1))  # is told in the next day's file
        self.aged(folders, "20200614")
        assert prune_journal(journaled, NOON + timedelta(days=9)) == []
        rebuilt = again(new_url(kind), folders)
        assert find_file(rebuilt, ROW.sha256) is None
        assert everything(rebuilt) == everything(journaled)
        rebuilt.engine.dispose()

    def test_a_late_refusal_keeps_its_day(self, journaled: Ledger, folders: Folders) -> None:
        refuse(journaled, NOON + timedelta(days=3))
        self.aged(folders, "20200612")
        assert prune_journal(journaled, NOON + timedelta(days=2)) == []
        assert len(prune_journal(journaled, NOON + timedelta(days=4))) == 1

    def test_without_a_journal(self, ledger: Ledger) -> None:
        assert prune_journal(ledger, NOON) == []


def _write_for_ever(url: str, landing: Path, warnings: Path) -> None:
    ledger = open_ledger(url, landing=landing, warnings=warnings)
    start = conservation(ledger).received
    for number in range(start, start + 10_000):
        receive(ledger, [replace(ARRIVAL, sha256=numbered(number * 3 + part)) for part in range(3)])
        decide(ledger, [replace(ROW, sha256=numbered(number * 3))])
        record_cycle(ledger, "r", NOON + number * MINUTE, snapshot_id="S", degraded=False, missing=[])
        record_warnings(ledger, [(f"w{number}", "r", NOON, "hail", "red", {})])


def _written(folder: Path) -> int:
    return sum(path.stat().st_size for path in day_files(folder))


def test_killed_at_any_moment_the_journals_tell_what_the_ledger_holds(
    kind: str, ledger_url: str, new_url: Callable[[str], str], folders: Folders
) -> None:
    context = multiprocessing.get_context("spawn")
    for kill in range(4):
        worker = context.Process(target=_write_for_ever, args=(ledger_url, *folders))
        worker.start()
        deadline = time.monotonic() + 120
        before = _written(folders[1])
        while _written(folders[1]) == before and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(0.007 * kill)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
    ledger = open_ledger(ledger_url, landing=folders[0], warnings=folders[1])
    # One more of each: the fate of the very last batch is told by the one after it.
    receive(ledger, [replace(ARRIVAL, sha256="e" * 64)])
    record_cycle(ledger, "r", NOON - MINUTE, snapshot_id="S", degraded=False, missing=[])
    rebuilt = again(new_url(kind), folders)
    assert conservation(ledger).holds
    assert everything(rebuilt) == everything(ledger)
    assert len(pending_files(rebuilt, 9)) > 1
    for opened in (ledger, rebuilt):
        opened.engine.dispose()

"""What came, and what became of it: nothing is lost, nothing is counted twice."""

import multiprocessing
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from wxcore.errors import LedgerError, Reason, TimeError
from wxcore.landing.ledger import (
    FileRow,
    Ledger,
    conservation,
    cycle_versions,
    files_between,
    find_cycle,
    find_file,
    open_ledger,
    record_cycle,
    record_file,
    record_refusal,
    record_warnings,
    warnings_before,
)
from wxcore.landing.ledger.tables import FILES, WARNINGS
from wxcore.times import BEIJING

NOON = datetime(2020, 6, 12, 5, 42, tzinfo=UTC)
ROW = FileRow(
    sha256="a" * 64, name="雷达.bin", size=10, format="cinrad-standard", kind="volume", site="Z9517",
    obs_time=NOON, received_at=NOON + timedelta(minutes=1, microseconds=5), status="stored",
)  # fmt: skip
BAD = replace(ROW, status="quarantined", obs_time=None, reason="TRUNCATED", message_en="e", message_zh="坏", offset=7)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path / "new" / "ledger.sqlite")


def refuse(ledger: Ledger) -> None:
    record_refusal(ledger, name="d", reason=Reason.IS_DIRECTORY, message_en="e", message_zh="z", received_at=NOON)


class TestFiles:
    def test_round_trip(self, ledger: Ledger) -> None:
        assert find_file(ledger, ROW.sha256) is None
        assert record_file(ledger, ROW) == "stored"
        assert find_file(ledger, ROW.sha256) == ROW
        bad = replace(BAD, sha256="b" * 64)
        assert record_file(ledger, bad) == "quarantined"
        assert find_file(ledger, bad.sha256) == bad

    def test_a_duplicate_changes_nothing(self, ledger: Ledger) -> None:
        record_file(ledger, ROW)
        assert record_file(ledger, replace(ROW, name="other")) == "duplicate"
        assert record_file(ledger, BAD) == "duplicate"
        assert find_file(ledger, ROW.sha256) == ROW

    def test_a_newer_reader_frees_a_quarantined_file(self, ledger: Ledger) -> None:
        assert record_file(ledger, BAD) == "quarantined"
        assert record_file(ledger, BAD) == "quarantined"
        assert record_file(ledger, ROW) == "stored"
        assert find_file(ledger, ROW.sha256) == ROW
        assert conservation(ledger).holds

    def test_pending_is_settled_by_the_decision(self, ledger: Ledger) -> None:
        pending = replace(ROW, status="pending", obs_time=None)
        assert record_file(ledger, pending) == "pending"
        assert conservation(ledger).pending == 1
        assert record_file(ledger, ROW) == "stored"
        counts = conservation(ledger)
        assert (counts.received, counts.stored, counts.pending, counts.holds) == (1, 1, 0, True)

    def test_between_is_ordered_and_only_stored(self, ledger: Ledger) -> None:
        for number, (minute, kind) in enumerate([(6, "volume"), (0, "composite"), (12, "volume"), (3, "product")]):
            when = NOON + timedelta(minutes=minute)
            record_file(ledger, replace(ROW, sha256=str(number) * 64, kind=kind, obs_time=when))
        record_file(ledger, replace(BAD, sha256="f" * 64, obs_time=NOON))
        found = files_between(ledger, NOON, NOON + timedelta(minutes=6))
        assert [row.sha256[0] for row in found] == ["1", "3", "0"]
        found = files_between(ledger, NOON.astimezone(BEIJING), NOON + timedelta(hours=1), ["volume"])
        assert [row.sha256[0] for row in found] == ["0", "2"]
        assert files_between(ledger, NOON, NOON + timedelta(hours=1), []) == []

    def test_nonsense_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(LedgerError, match="duplicate"):
            record_file(ledger, replace(ROW, status="duplicate"))
        with pytest.raises(LedgerError, match="with a time"):
            record_file(ledger, replace(ROW, obs_time=None))
        with pytest.raises(TimeError):
            files_between(ledger, NOON.replace(tzinfo=None), NOON)
        assert conservation(ledger).received == 0


class TestConservation:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        history=st.lists(
            st.tuples(st.integers(0, 2), st.sampled_from(["stored", "quarantined", "pending", "folder"])), max_size=12
        )
    )
    def test_holds_after_any_history(
        self, history: list[tuple[int, str]], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        ledger = open_ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")
        arrivals, waiting = 0, dict.fromkeys(range(3), 0)
        stored: set[int] = set()
        for number, event in history:
            if event == "folder":
                refuse(ledger)
                arrivals += 1
                continue
            record_file(ledger, replace(ROW, sha256=f"{number:064d}", status=event))
            settles = event != "pending" and waiting[number] > 0
            arrivals += not settles
            if settles:
                waiting[number] = 0
            elif event == "pending" and number not in stored:
                waiting[number] += 1
            if event == "stored":
                stored.add(number)
        counts = conservation(ledger)
        assert counts.holds
        assert (counts.received, counts.stored, counts.pending) == (arrivals, len(stored), sum(waiting.values()))
        ledger.engine.dispose()

    def test_a_file_out_of_nowhere_is_noticed(self, ledger: Ledger) -> None:
        record_file(ledger, ROW)
        refuse(ledger)
        assert conservation(ledger).holds
        with ledger.engine.begin() as connection:
            connection.execute(update(FILES).values(status="quarantined"))
        assert not conservation(ledger).holds


class TestCycles:
    def test_newest_wins_and_history_stays(self, ledger: Ledger) -> None:
        assert find_cycle(ledger, "r", NOON) is None
        first = {"snapshot_id": "S1", "degraded": True, "missing": ["radar Z9523", "雷达"]}
        assert record_cycle(ledger, "r", NOON, **first)  # type: ignore[arg-type]
        assert not record_cycle(ledger, "r", NOON.astimezone(BEIJING), **first)  # type: ignore[arg-type]
        assert record_cycle(ledger, "r", NOON, snapshot_id="S2", degraded=False, missing=[], fingerprint="f")
        assert record_cycle(ledger, "q", NOON, snapshot_id="S3", degraded=False, missing=[])
        newest = find_cycle(ledger, "r", NOON)
        assert newest is not None
        assert (newest.snapshot_id, newest.degraded, newest.missing, newest.time) == ("S2", False, (), NOON)
        versions = cycle_versions(ledger, "r", NOON)
        assert [version.snapshot_id for version in versions] == ["S1", "S2"]
        assert versions[0].missing == ("radar Z9523", "雷达")


class TestWarnings:
    def test_same_again_changes_nothing(self, ledger: Ledger) -> None:
        entry = ("w1", "r", NOON, "hail", "orange", {"zh": "冰雹", "p": 0.5})
        assert record_warnings(ledger, [entry]) == 1
        before = warnings_before(ledger, "r", NOON + timedelta(minutes=6))
        assert record_warnings(ledger, [entry]) == 0
        assert warnings_before(ledger, "r", NOON + timedelta(minutes=6)) == before
        assert (before[0].state, before[0].cycle_time) == ("draft", NOON)
        assert "冰雹" in before[0].json

    def test_a_draft_may_change_and_nothing_else(self, ledger: Ledger) -> None:
        record_warnings(ledger, [("w1", "r", NOON, "hail", "orange", {"p": 1})])
        assert record_warnings(ledger, [("w1", "r", NOON, "hail", "red", {"p": 2})]) == 1
        with ledger.engine.begin() as connection:
            connection.execute(update(WARNINGS).values(state="released"))
        with pytest.raises(LedgerError, match="released"):
            record_warnings(ledger, [("w2", "r", NOON, "hail", "red", {}), ("w1", "r", NOON, "hail", "red", {"p": 3})])
        rows = warnings_before(ledger, "r", NOON + timedelta(minutes=1))
        assert [(row.id, row.level) for row in rows] == [("w1", "red")]  # w2 went with its transaction

    def test_before_and_since(self, ledger: Ledger) -> None:
        for step in range(4):
            record_warnings(ledger, [(f"w{step}", "r", NOON + step * timedelta(minutes=6), "hail", "red", {})])
        record_warnings(ledger, [("x", "q", NOON, "hail", "red", {})])
        until = NOON + timedelta(minutes=12)
        assert [row.id for row in warnings_before(ledger, "r", until)] == ["w0", "w1"]
        assert [row.id for row in warnings_before(ledger, "r", until, since=NOON + timedelta(minutes=6))] == ["w1"]


def _enter(path: Path, worker: int, count: int) -> None:
    ledger = open_ledger(path)
    for number in range(count):
        record_file(ledger, replace(ROW, sha256=f"{number:064d}", name=str(worker)))


def test_two_processes_register_each_file_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_enter, args=(path, worker, 40)) for worker in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    counts = conservation(open_ledger(path))
    assert (counts.received, counts.stored, counts.duplicate, counts.holds) == (80, 40, 40, True)


def test_durable_settings(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_readers_do_not_wait_for_a_writer(ledger: Ledger) -> None:
    record_file(ledger, ROW)
    with ledger.engine.begin() as connection:
        connection.execute(update(FILES).values(name="unfinished"))
        found = find_file(ledger, ROW.sha256)
    assert found == ROW


def test_what_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, only text that is long enough to be read as a header of one" * 20)
    with pytest.raises(LedgerError, match="cannot be opened"):
        open_ledger(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute("CREATE TABLE other (x)")
    assert conservation(open_ledger(tmp_path / "other.sqlite")).received == 0

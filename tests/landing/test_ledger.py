"""What came, and what became of it: nothing is lost, nothing is counted twice. On SQLite and on PostgreSQL."""

import multiprocessing
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, update

from tests.landing.doors import record_cycle, record_file, record_warnings, withdraw_drafts
from wxcore.errors import LedgerError, Reason, TimeError
from wxcore.landing.ledger import (
    Arrival,
    FileRow,
    Ledger,
    conservation,
    cycle_versions,
    decide,
    expire_files,
    files_between,
    find_cycle,
    find_file,
    known_arrivals,
    open_ledger,
    pending_files,
    receive,
    record_refusal,
    warnings_before,
)
from wxcore.landing.ledger.tables import FILES, METADATA, TALLIES, WARNINGS
from wxcore.times import BEIJING

NOON = datetime(2020, 6, 12, 5, 42, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ROW = FileRow(
    sha256="a" * 64, name="雷达.bin", size=10, format="cinrad-standard", kind="volume", site="Z9517",
    obs_time=NOON, received_at=NOON + timedelta(minutes=1, microseconds=5), status="stored",
)  # fmt: skip
BAD = replace(ROW, status="quarantined", obs_time=None, reason="TRUNCATED", message_en="e", message_zh="坏", offset=7)
ARRIVAL = Arrival("a" * 64, "雷达.bin", 10, NOON + 2 * MINUTE, NOON + MINUTE, "key")


def numbered(number: int) -> str:
    return f"{number:064d}"


def refuse(ledger: Ledger, received_at: datetime = NOON, key: str = "") -> None:
    record_refusal(
        ledger, name="d", reason=Reason.IS_DIRECTORY, message_en="e", message_zh="z", received_at=received_at,
        arrival_key=key,
    )  # fmt: skip


class TestReceive:
    def test_pending_until_it_is_decided(self, ledger: Ledger) -> None:
        assert receive(ledger, [ARRIVAL]) == ["pending"]
        waiting = find_file(ledger, ARRIVAL.sha256)
        assert waiting is not None
        assert (waiting.status, waiting.obs_time, waiting.published_at) == ("pending", None, ARRIVAL.published_at)
        assert decide(ledger, [replace(waiting, status="stored", obs_time=NOON)]) == ["stored"]
        assert receive(ledger, [ARRIVAL]) == ["duplicate"]
        counts = conservation(ledger)
        assert (counts.received, counts.stored, counts.duplicate, counts.holds) == (2, 1, 1, True)

    def test_the_same_bytes_twice_in_one_batch(self, ledger: Ledger) -> None:
        assert receive(ledger, [ARRIVAL, replace(ARRIVAL, name="other")]) == ["pending", "pending"]
        assert decide(ledger, [ROW]) == ["stored"]
        counts = conservation(ledger)
        assert (counts.stored, counts.duplicate, counts.pending, counts.holds) == (1, 1, 0, True)

    def test_published_is_never_after_the_arrival_and_the_newest_counts(self, ledger: Ledger) -> None:
        ahead = replace(ARRIVAL, published_at=NOON + timedelta(days=3))
        assert ahead.published_at == ahead.received_at
        assert Arrival("a" * 64, "n", 1, NOON).published_at == NOON
        receive(ledger, [ARRIVAL])
        decide(ledger, [replace(ROW, published_at=NOON - MINUTE)])
        first = find_file(ledger, ROW.sha256)
        again = replace(ARRIVAL, received_at=NOON + timedelta(hours=1), published_at=NOON + timedelta(minutes=50))
        receive(ledger, [again, replace(ARRIVAL, published_at=NOON - MINUTE)])
        newest = find_file(ledger, ROW.sha256)
        assert first is not None
        assert newest == replace(first, published_at=again.published_at)
        assert first.published_at == ARRIVAL.published_at

    def test_refused_bytes_get_another_chance(self, ledger: Ledger) -> None:
        receive(ledger, [ARRIVAL])
        assert decide(ledger, [BAD]) == ["quarantined"]
        assert receive(ledger, [ARRIVAL]) == ["pending"]
        assert decide(ledger, [ROW]) == ["stored"]
        counts = conservation(ledger)
        assert (counts.received, counts.stored, counts.quarantined, counts.holds) == (2, 1, 1, True)

    def test_arrival_keys_survive(self, ledger: Ledger) -> None:
        many = [replace(ARRIVAL, sha256=numbered(n), arrival_key=f"k{n}") for n in range(3)]
        receive(ledger, many)
        refuse(ledger, key="folder")
        asked = [*(f"k{n}" for n in range(1200)), "folder"]
        assert known_arrivals(ledger, asked) == {"k0", "k1", "k2", "folder"}
        assert known_arrivals(ledger, []) == set()

    def test_pending_newest_published_first(self, ledger: Ledger) -> None:
        for number, minutes in enumerate([3, 9, 1]):
            published = NOON - minutes * MINUTE
            receive(ledger, [Arrival(numbered(number), "n", 1, NOON, published)])
        assert [row.sha256[-1] for row in pending_files(ledger, 2)] == ["2", "0"]

    def test_naive_times_are_refused(self, ledger: Ledger) -> None:
        with pytest.raises(TimeError):
            replace(ARRIVAL, received_at=NOON.replace(tzinfo=None))
        with pytest.raises(TimeError):
            refuse(ledger, NOON.replace(tzinfo=None))

    def test_an_empty_batch(self, ledger: Ledger) -> None:
        assert (receive(ledger, []), decide(ledger, [])) == ([], [])


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
        assert decide(ledger, [BAD]) == ["duplicate"]
        assert find_file(ledger, ROW.sha256) == ROW

    def test_a_newer_reader_frees_a_quarantined_file(self, ledger: Ledger) -> None:
        assert record_file(ledger, BAD) == "quarantined"
        assert decide(ledger, [replace(BAD, reason="BAD_HEADER")]) == ["quarantined"]
        assert decide(ledger, [ROW]) == ["stored"]
        assert find_file(ledger, ROW.sha256) == ROW
        counts = conservation(ledger)
        assert (counts.received, counts.stored, counts.holds) == (1, 1, True)

    def test_between_is_ordered_and_only_stored(self, ledger: Ledger) -> None:
        for number, (minute, kind) in enumerate([(6, "volume"), (0, "composite"), (12, "volume"), (3, "product")]):
            when = NOON + minute * MINUTE
            record_file(ledger, replace(ROW, sha256=str(number) * 64, kind=kind, obs_time=when))
        record_file(ledger, replace(BAD, sha256="f" * 64))
        found = files_between(ledger, NOON, NOON + 6 * MINUTE)
        assert [row.sha256[0] for row in found] == ["1", "3", "0"]
        found = files_between(ledger, NOON.astimezone(BEIJING), NOON + timedelta(hours=1), ["volume"])
        assert [row.sha256[0] for row in found] == ["0", "2"]
        assert files_between(ledger, NOON, NOON + timedelta(hours=1), []) == []

    def test_the_corrected_file_is_the_last_of_its_site_and_time(self, ledger: Ledger) -> None:
        rows = [
            replace(ROW, sha256="9" * 64, site="a", published_at=NOON - 3 * MINUTE),
            replace(ROW, sha256="1" * 64, site="a", published_at=NOON - MINUTE),  # the correction
            replace(ROW, sha256="8" * 64, site="Z", received_at=NOON + 2 * MINUTE, published_at=NOON),
            replace(ROW, sha256="7" * 64, site="Z", received_at=NOON + 3 * MINUTE, published_at=NOON),
            replace(ROW, sha256="6" * 64, site="Z", received_at=NOON + 2 * MINUTE, published_at=NOON),
        ]
        for row in rows:
            record_file(ledger, row)
        order = [row.sha256[0] for row in files_between(ledger, NOON, NOON)]
        assert order == ["6", "8", "7", "9", "1"]  # capitals first on every database

    def test_nonsense_is_refused(self, ledger: Ledger) -> None:
        for status in ("duplicate", "pending"):
            with pytest.raises(LedgerError, match=status):
                decide(ledger, [ROW, replace(ROW, status=status)])
        with pytest.raises(LedgerError, match="with a time"):
            decide(ledger, [replace(ROW, obs_time=None)])
        with pytest.raises(TimeError):
            files_between(ledger, NOON.replace(tzinfo=None), NOON)
        assert conservation(ledger).received == 0


class Model:
    """What the ledger should count, the simplest way."""

    def __init__(self) -> None:
        self.status: dict[int, str] = {}
        self.receipts: list[list[str | int]] = []
        self.expired: Counter[str] = Counter()

    def receive(self, file: int) -> None:
        stored = self.status.get(file) == "stored"
        self.receipts.append([file, "duplicate" if stored else "pending"])
        self.status[file] = "stored" if stored else "pending"

    def decide(self, file: int, status: str) -> None:
        if self.status.get(file) == "stored":
            return
        own = [receipt for receipt in self.receipts if receipt[0] == file]
        if not own:
            self.receipts.append([file, status])
        first, *later = [r for r in own if r[1] == "pending"] or own[:1] or [[file, ""]]
        first[1] = status
        for receipt in later:
            receipt[1] = "duplicate" if status == "stored" else status
        self.status[file] = status

    def expire(self) -> None:
        for file in [file for file, status in self.status.items() if status != "pending"]:
            self.expired.update(str(outcome) for owner, outcome in self.receipts if owner == file)
            self.receipts = [receipt for receipt in self.receipts if receipt[0] != file]
            del self.status[file]


ACTIONS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["receive", "receive", "stored", "quarantined", "folder", "expire"])),
    max_size=12,
)


class TestConservation:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(history=ACTIONS)
    def test_holds_after_any_history(self, history: list[tuple[int, str]], ledger: Ledger) -> None:
        with ledger.engine.begin() as connection:
            for table in reversed(METADATA.sorted_tables):
                if table.name != "journal_heads":
                    connection.execute(delete(table))
        model, folders = Model(), 0
        for file, action in history:
            if action == "receive":
                receive(ledger, [replace(ARRIVAL, sha256=numbered(file))])
                model.receive(file)
            elif action == "folder":
                refuse(ledger)
                folders += 1
            elif action == "expire":
                expire_files(ledger, NOON + timedelta(days=1))
                model.expire()
            else:
                decide(ledger, [replace(ROW, sha256=numbered(file), status=action)])
                model.decide(file, action)
        wanted = Counter(str(outcome) for _, outcome in model.receipts) + model.expired
        counts = conservation(ledger)
        assert counts.holds
        assert counts.received == wanted.total() + folders
        found = (counts.stored, counts.duplicate, counts.quarantined - folders, counts.pending)
        assert found == tuple(wanted[name] for name in ("stored", "duplicate", "quarantined", "pending"))

    def test_a_file_out_of_nowhere_is_noticed(self, ledger: Ledger) -> None:
        record_file(ledger, ROW)
        refuse(ledger)
        assert conservation(ledger).holds
        with ledger.engine.begin() as connection:
            connection.execute(update(FILES).values(status="quarantined"))
        assert not conservation(ledger).holds

    def test_a_lost_tally_is_noticed(self, ledger: Ledger) -> None:
        record_file(ledger, ROW)
        record_file(ledger, replace(ROW, sha256="b" * 64, received_at=NOON + timedelta(days=2)))
        expire_files(ledger, NOON + timedelta(days=1))
        assert (conservation(ledger).received, conservation(ledger).holds) == (2, True)
        with ledger.engine.begin() as connection:
            connection.execute(update(TALLIES).values(outcome="lost"))
        assert not conservation(ledger).holds


class TestExpiry:
    def test_what_still_comes_or_waits_stays(self, ledger: Ledger) -> None:
        later = NOON + timedelta(days=2)
        for number in range(4):
            receive(ledger, [Arrival(numbered(number), "n", 1, NOON)])
        decide(ledger, [replace(ROW, sha256=numbered(number)) for number in (0, 1)])
        decide(ledger, [replace(BAD, sha256=numbered(2))])
        receive(ledger, [Arrival(numbered(1), "n", 1, later)])
        refuse(ledger)
        assert expire_files(ledger, NOON) == []
        assert sorted(expire_files(ledger, later, limit=1) + expire_files(ledger, later)) == [numbered(0), numbered(2)]
        assert [find_file(ledger, numbered(number)) is None for number in range(4)] == [True, False, True, False]
        counts = conservation(ledger)
        assert (counts.received, counts.stored, counts.duplicate, counts.quarantined, counts.pending) == (6, 2, 1, 2, 1)
        assert counts.holds
        assert expire_files(ledger, later + MINUTE)[0] == numbered(1)
        assert conservation(ledger) == counts

    def test_bytes_that_come_back_are_new(self, ledger: Ledger) -> None:
        record_file(ledger, ROW)
        assert expire_files(ledger, NOON + timedelta(days=1)) == [ROW.sha256]
        assert receive(ledger, [ARRIVAL]) == ["pending"]
        assert conservation(ledger).holds


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

    def test_a_fence_forbids_the_entry(self, ledger: Ledger) -> None:
        def fence(connection: Connection) -> None:
            assert connection.in_transaction()
            raise LedgerError("superseded")

        with pytest.raises(LedgerError, match="superseded"):
            record_cycle(ledger, "r", NOON, snapshot_id="S", degraded=False, missing=[], fence=fence)
        assert find_cycle(ledger, "r", NOON) is None


class TestWarnings:
    def test_same_again_changes_nothing(self, ledger: Ledger) -> None:
        entry = ("w1", "r", NOON, "hail", "orange", {"zh": "冰雹", "p": 0.5})
        assert record_warnings(ledger, [entry]) == 1
        before = warnings_before(ledger, "r", NOON + 6 * MINUTE)
        assert record_warnings(ledger, [entry]) == 0
        assert warnings_before(ledger, "r", NOON + 6 * MINUTE) == before
        assert (before[0].state, before[0].cycle_time) == ("draft", NOON)
        assert "冰雹" in before[0].json

    def test_an_issued_warning_is_never_rewritten(self, ledger: Ledger) -> None:
        record_warnings(ledger, [("w1", "r", NOON, "hail", "orange", {"p": 1})])
        assert record_warnings(ledger, [("w1", "r", NOON, "hail", "red", {"p": 2})]) == 1
        with ledger.engine.begin() as connection:
            connection.execute(update(WARNINGS).values(state="released"))
        again = [("w1", "r", NOON, "hail", "yellow", {"p": 3}), ("w2", "r", NOON, "hail", "red", {})]
        assert record_warnings(ledger, again) == 1  # a late re-analysis
        assert withdraw_drafts(ledger, "r", NOON, []) == ["w2"]
        rows = warnings_before(ledger, "r", NOON + MINUTE)
        assert [(row.id, row.level, row.state) for row in rows] == [
            ("w1", "red", "released"), ("w2", "red", "withdrawn"),
        ]  # fmt: skip
        assert record_warnings(ledger, again) == 1  # made again: a draft again

    def test_before_and_since(self, ledger: Ledger) -> None:
        for step in range(4):
            record_warnings(ledger, [(f"w{step}", "r", NOON + step * 6 * MINUTE, "hail", "red", {})])
        record_warnings(ledger, [("x", "q", NOON, "hail", "red", {})])
        until = NOON + 12 * MINUTE
        assert [row.id for row in warnings_before(ledger, "r", until)] == ["w0", "w1"]
        assert [row.id for row in warnings_before(ledger, "r", until, since=NOON + 6 * MINUTE)] == ["w1"]


FILES_RACED, WORKERS = 60, 3


def _race(url: str, landing: Path, warnings: Path, worker: int) -> None:
    """What several watchers do at once: open (one of them creates the tables), receive, decide, in other orders."""
    ledger = open_ledger(url, landing=landing, warnings=warnings)
    hashes = [numbered((number * (worker + 1)) % 61) for number in range(1, FILES_RACED + 1)]
    for start in range(0, FILES_RACED, 10):
        part = hashes[start : start + 10]
        receive(ledger, [replace(ARRIVAL, sha256=sha256) for sha256 in part])
        decide(ledger, [replace(ROW, sha256=sha256, name=str(worker)) for sha256 in part])


def test_racing_processes_store_each_file_once(ledger_url: str, folders: tuple[Path, Path]) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_race, args=(ledger_url, *folders, worker)) for worker in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    ledger = open_ledger(ledger_url)
    counts = conservation(ledger)
    assert (counts.received, counts.stored, counts.holds) == (WORKERS * FILES_RACED, FILES_RACED, True)
    assert counts.duplicate == (WORKERS - 1) * FILES_RACED
    assert len(files_between(ledger, NOON, NOON)) == FILES_RACED
    ledger.engine.dispose()


def test_readers_do_not_wait_for_a_writer(ledger: Ledger) -> None:
    record_file(ledger, ROW)
    with ledger.engine.begin() as connection:
        connection.execute(update(FILES).values(name="unfinished"))
        found = find_file(ledger, ROW.sha256)
    assert found == ROW


def test_durable_settings(new_url: Callable[[str], str]) -> None:
    ledger = open_ledger(new_url("sqlite"))
    with ledger.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    ledger.engine.dispose()

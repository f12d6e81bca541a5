"""Upkeep finds what is wrong and forgets by rule; what is kept stays whole."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.pipeline.tiny import NOW, Built
from wxcore.archive.expire import Retention
from wxcore.archive.read import list_cycles
from wxcore.archive.series import open_day
from wxcore.landing.land import landed_path
from wxcore.landing.ledger import conservation, files_between, state_hash, warnings_before
from wxcore.landing.ledger.engine import writing
from wxcore.pipeline.home import Home
from wxcore.pipeline.maintain import END, RAW_DAYS, START, check_home, compact_days, expire_home, finished_days
from wxcore.pipeline.recover import recover_home

pytestmark = pytest.mark.usefixtures("no_syncfs")
DAY = timedelta(days=1)


@pytest.fixture
def home(built: Built, tmp_path: Path) -> Home:
    return built.copy(tmp_path / "home")


def landed(home: Home, built: Built) -> Path:
    """One landed file that was stored."""
    return landed_path(home.landing, files_between(home.ledger(), START, END)[0].sha256)


def change(home: Home, statement: str) -> None:
    with writing(home.ledger()) as transaction:
        transaction.connection.execute(text(statement))


class TestCheck:
    def test_a_sound_home(self, home: Home, built: Built) -> None:
        seen: list[tuple[int, int]] = []
        found = check_home(home, built.region, deep=True, progress=lambda *pair: seen.append(pair))
        assert found.faults == ()
        assert (found.files, found.archive.cycles) == (len(built.files), 3)
        assert seen[-1] == (3, 3)
        assert check_home(home, built.region, quick=1).archive.cycles == 1

    @pytest.mark.parametrize(
        ("content", "deep", "words"),
        [
            (None, False, ("gone", "缺失")),
            (b"short", False, ("5 bytes landed", "落地 5 字节")),
            ("other", True, ("have changed", "已改变")),
        ],
    )
    def test_a_landed_file(
        self, home: Home, built: Built, content: bytes | str | None, deep: bool, words: tuple[str, str]
    ) -> None:
        path = landed(home, built)
        size = path.stat().st_size
        path.chmod(0o644)
        path.unlink()
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else b"x" * size)
        if deep:
            assert check_home(home, built.region).faults == (), "only a deep check reads the bytes"
        (fault,) = check_home(home, built.region, deep=deep).faults
        assert fault.file == str(path)
        assert words[0] in fault.en
        assert words[1] in fault.zh

    def test_a_receipt_that_is_gone(self, home: Home, built: Built) -> None:
        change(home, "DELETE FROM receipts WHERE id = (SELECT min(id) FROM receipts WHERE outcome = 'stored')")
        (fault,) = check_home(home, built.region).faults
        assert "6 files received" in fault.en
        assert "收到 6 个文件" in fault.zh

    def test_a_cycle_of_which_the_ledger_says_something_else(self, home: Home, built: Built) -> None:
        change(home, f"UPDATE cycles SET fingerprint = 'x' WHERE time LIKE '%{built.times[1]:%H:%M}%'")
        (fault,) = check_home(home, built.region).faults
        assert fault.time == built.times[1]
        assert "is not the ledger's" in fault.en
        assert "不一致" in fault.zh

    def test_a_damaged_archive(self, home: Home, built: Built) -> None:
        for name in built.touched:
            if "/chunks/" in name:
                (home.root / "archive" / name).write_bytes(b"")
        found = check_home(home, built.region)
        assert not found.archive.clean
        assert {fault.time for fault in found.faults if fault.time} == {built.times[-1]}


class TestDays:
    @pytest.mark.parametrize(("now", "days"), [(NOW, 0), (NOW + timedelta(hours=15), 0), (NOW + DAY, 1)])
    def test_only_days_that_are_over(self, home: Home, built: Built, now: datetime, days: int) -> None:
        assert finished_days(home, built.region, now) == [NOW.date()] * days

    def test_each_view_is_made_once(self, home: Home, built: Built) -> None:
        beats: list[int] = []
        assert compact_days(home, built.region, [], progress=lambda: beats.append(0)) == {}
        for new in (True, False):
            made = compact_days(home, built.region, [NOW.date()], progress=lambda: beats.append(1))
            assert made == {NOW.date(): new}
        assert beats == [1, 1]
        assert check_home(home, built.region).faults == ()


class TestExpire:
    def test_landed_files_by_their_age(self, home: Home, built: Built) -> None:
        ledger = home.ledger()
        counts = conservation(ledger)
        young = expire_home(home, built.region, Retention(), RAW_DAYS, NOW + RAW_DAYS * DAY)
        assert (young.raw_files, len(files_between(ledger, START, END))) == (0, len(built.files))
        old = expire_home(home, built.region, Retention(), RAW_DAYS, NOW + RAW_DAYS * DAY + timedelta(seconds=1))
        assert old.raw_files == len(built.files) + 1  # the refused one too
        assert [path for path in home.landing.glob("??/*") if path.is_file()] == []
        assert conservation(ledger) == counts, "counts stay exact"
        assert list_cycles(home.archive, built.region.id) == list(built.times)
        assert check_home(home, built.region, deep=True).faults == ()
        assert expire_home(home, built.region, Retention(), RAW_DAYS, NOW + 60 * DAY).raw_files == 0
        before = state_hash(ledger)
        for path in home.root.glob("ledger.sqlite*"):
            path.unlink()
        recover_home(home, built.region)
        assert state_hash(home.ledger()) == before, "and a rebuild does not bring them back"

    def test_a_dry_run_counts_what_would_go(self, home: Home, built: Built) -> None:
        now = NOW + 40 * DAY
        dry = expire_home(home, built.region, Retention(), RAW_DAYS, now, dry_run=True)
        assert dry.archive.dry_run
        assert len(list(home.landing.glob("??/*"))) == len(built.files) + 1
        assert expire_home(home, built.region, Retention(), RAW_DAYS, now).raw_files == dry.raw_files

    def test_a_dry_run_changes_nothing(self, home: Home, built: Built) -> None:
        before = state_hash(home.ledger())
        expire_home(home, built.region, Retention(), RAW_DAYS, NOW + 400 * DAY, dry_run=True)
        assert state_hash(home.ledger()) == before
        assert check_home(home, built.region, deep=True).faults == ()
        assert list_cycles(home.archive, built.region.id) == list(built.times)

    def test_days_go_when_their_view_is_there_and_warnings_never(self, home: Home, built: Built) -> None:
        day, now = f"{NOW:%Y%m%d}", NOW + 61 * DAY
        warned = warnings_before(home.ledger(), built.region.id, now)
        assert warned
        kept = expire_home(home, built.region, Retention(), RAW_DAYS, now)
        assert (kept.archive.cube_days, kept.archive.kept_days) == ((), (day,))
        compact_days(home, built.region, [date(NOW.year, NOW.month, NOW.day)], progress=lambda: None)
        gone = expire_home(home, built.region, Retention(), RAW_DAYS, now)
        assert gone.archive.cube_days == (day,)
        assert list_cycles(home.archive, built.region.id) == []
        assert open_day(home.archive, built.region.id, NOW.date()).sizes["time"] == len(built.times), "the view stays"
        assert warnings_before(home.ledger(), built.region.id, now) == warned
        assert check_home(home, built.region, deep=True).faults == ()
        assert recover_home(home, built.region, thorough=True).clean, "what expired is not made again"

"""The journal: whole lines survive whatever happens to others, and what never committed is left out."""

import errno
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.landing.doors import record_cycle
from tests.landing.test_ledger import ARRIVAL, NOON, ROW
from wxcore.errors import LedgerError
from wxcore.landing.ledger import conservation, decide, has_events, receive
from wxcore.landing.ledger.journal import Damage, append, day_files, journal_folder, replay
from wxcore.landing.ledger.tables import Ledger
from wxcore.landing.space import is_full


def write(folder: Path, names: list[str]) -> None:
    """One batch a name, each committed."""
    before = "start"
    for name in names:
        append(folder, name, before, [("kind", {"name": name})])
        before = name


def names(folder: Path, damage: Damage | None = None) -> list[str]:
    return [event.data["name"] for event in replay(folder, damage)]


class TestLines:
    def test_round_trip(self, tmp_path: Path) -> None:
        data = {"名": '引号"与\n换行\u2028', "n": 1.5, "none": None, "list": ["é", "\\"]}
        append(tmp_path / "new" / "folder", "b", "a", [("one", data), ("two", {})])
        events = list(replay(tmp_path / "new" / "folder"))
        assert [(event.batch, event.after, event.kind) for event in events] == [("b", "a", "one"), ("b", "a", "two")]
        assert events[0].data == data
        (path,) = day_files(tmp_path / "new" / "folder")
        assert [json.loads(line)["event"]["kind"] for line in path.read_text().split("\n")[:-1]] == ["one", "two"]

    def test_nothing_there(self, tmp_path: Path) -> None:
        assert list(replay(tmp_path / "none")) == []
        assert not has_events(tmp_path, tmp_path / "none")
        assert not has_events(None, None)

    def test_days_follow_each_other(self, tmp_path: Path) -> None:
        write(tmp_path, ["a", "b"])
        (path,) = day_files(tmp_path)
        path.rename(tmp_path / "20200101.jsonl")
        append(tmp_path, "c", "b", [("kind", {"name": "c"})])
        (tmp_path / "notes.jsonl").write_text("no day")
        assert names(tmp_path) == ["a", "b", "c"]

    def test_every_torn_end_costs_one_line_and_never_the_next(self, tmp_path: Path) -> None:
        write(tmp_path / "whole", ["a", "b", "c"])
        (whole,) = day_files(tmp_path / "whole")
        content = whole.read_bytes()
        for length in range(len(content)):
            folder = tmp_path / str(length)
            folder.mkdir()
            (folder / whole.name).write_bytes(content[:length])
            append(folder, "d", "c", [("kind", {"name": "d"})])
            damage = Damage()
            kept = (content[: length + 1].count(b"\n")) if length else 0
            assert names(folder, damage) == [*["a", "b", "c"][:kept], "d"]
            torn = content[:length].rpartition(b"\n")[2] if kept == content[:length].count(b"\n") else b""
            assert damage.broken.total() == (1 if torn else 0)

    @given(seed=st.integers(0, 10_000))
    def test_any_flipped_byte_is_noticed(self, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
        random, folder = Random(seed), tmp_path_factory.mktemp("journal")
        written = [f"{number}" for number in range(5)]
        write(folder, written)
        (path,) = day_files(folder)
        content = bytearray(path.read_bytes())
        place = random.randrange(len(content))
        content[place] ^= 1 << random.randrange(8)
        path.write_bytes(content)
        damage = Damage()
        found = names(folder, damage)
        assert set(found) < set(written)
        assert len(found) >= 3  # a broken line end costs two
        assert damage.broken.total() >= 1

    def test_what_never_committed_is_left_out(self, tmp_path: Path) -> None:
        chain = [("a", "0"), ("x", "a"), ("y", "a"), ("b", "a"), ("c", "b"), ("last", "c")]
        for batch, after in chain:
            append(tmp_path, batch, after, [("kind", {"name": f"{batch}{n}"}) for n in range(2)])
        damage = Damage()
        assert names(tmp_path, damage) == ["a0", "a1", "b0", "b1", "c0", "c1", "last0", "last1"]
        assert (damage.abandoned.total(), damage.broken.total()) == (4, 0)

    def test_an_older_ledger_put_back_drops_nothing(self, tmp_path: Path) -> None:
        for batch, after in [("a", "0"), ("b", "a"), ("c", "b"), ("d", "a"), ("e", "d")]:
            append(tmp_path, batch, after, [("kind", {"name": batch})])
        assert names(tmp_path) == ["a", "b", "c", "d", "e"]


class TestTransaction:
    def test_a_journal_that_cannot_be_written_undoes_the_entry(
        self, journaled: Ledger, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receive(journaled, [ARRIVAL])
        (path,) = day_files(journal_folder(folders[0]))
        before = path.read_bytes()
        real, written = os.write, []

        def full(descriptor: int, content: bytes) -> int:
            if not written:  # a part goes through, as on a disk that fills up
                written.append(real(descriptor, bytes(content)[:10]))
                return 10
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr("os.write", full)
            with pytest.raises(LedgerError, match="journal") as caught:
                decide(journaled, [ROW])
        assert is_full(caught.value)
        assert path.read_bytes() == before
        assert conservation(journaled).pending == 1
        assert decide(journaled, [ROW]) == ["stored"]
        assert [event.kind for event in replay(journal_folder(folders[0]))] == ["receive", "decide"]

    def test_everything_is_synced_before_the_commit(
        self, journaled: Ledger, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[str] = []
        real = os.fsync

        def sync(descriptor: int) -> None:
            assert conservation(journaled).received == 0  # not committed yet
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
            real(descriptor)

        monkeypatch.setattr("os.fsync", sync)
        receive(journaled, [ARRIVAL, ARRIVAL])
        (path,) = day_files(journal_folder(folders[0]))
        assert synced == [folders[0].name, path.name, "journal"]  # the new folder, the lines at once, the new file

    def test_a_commit_that_fails_is_not_replayed(
        self, journaled: Ledger, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(connection: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(journaled.engine.dialect, "do_commit", fail)
            with pytest.raises(KeyboardInterrupt):
                record_cycle(journaled, "r", NOON, snapshot_id="lost", degraded=False, missing=[])
        record_cycle(journaled, "r", NOON, snapshot_id="kept", degraded=False, missing=[])
        assert [event.data["snapshot_id"] for event in replay(folders[1])] == ["kept"]

    def test_what_changes_nothing_is_not_told(self, journaled: Ledger, folders: tuple[Path, Path]) -> None:
        for _ in range(2):
            record_cycle(journaled, "r", NOON, snapshot_id="S", degraded=False, missing=[])
        assert len(list(replay(folders[1]))) == 1
        today = {f"{datetime.now(UTC) - timedelta(days=back):%Y%m%d}.jsonl" for back in (0, 1)}
        assert {path.name for path in day_files(folders[1])} <= today

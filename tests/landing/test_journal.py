"""The journal: whole lines survive whatever happens to others, and what never committed is left out."""

import errno
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.landing.doors import record_cycle
from tests.landing.test_ledger import ARRIVAL, NOON, ROW
from wxcore.errors import LedgerError
from wxcore.landing.ledger import conservation, decide, has_events, journal, receive
from wxcore.landing.ledger import replay as replay_module
from wxcore.landing.ledger.journal import append, day_files, journal_folder
from wxcore.landing.ledger.replay import Damage, find_batch, last_event, replay
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

    def test_a_clock_put_back_does_not_change_the_order(self, tmp_path: Path) -> None:
        append(tmp_path, "a", "start", [("kind", {"name": "a"})])
        (today,) = day_files(tmp_path)
        tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y%m%d}.jsonl"
        today.rename(tmp_path / tomorrow)
        append(tmp_path, "b", "a", [("kind", {"name": "b"})])
        assert names(tmp_path) == ["a", "b"]
        assert [path.name for path in day_files(tmp_path)] == [tomorrow]

    @pytest.mark.parametrize(
        ("chain", "kept"),
        [
            ("a0 ya xa zy", "ayz"),  # x: a zombie, appended after y was committed
            ("a0 xa ya zy", "ayz"),  # x: its commit failed
            ("a0 xa ya", "ay"),
            ("a0 ya zy xa wz", "ayzw"),  # a zombie that slept longer
            ("a0 ya zy xa vz wv", "ayzvw"),
            ("a0 ya pa qa ra zy wz", "ayzw"),
            ("y0 x0 zy", "yz"),  # from the first batch on
            ("a0 ba cb da ed", "abcde"),  # an older ledger was put back
            ("a0 ba cb da", "abcd"),
            ("a0 ba cb da ed fb gf", "abcdefg"),
            ("a0 ca dc fe gf", "acdfg"),  # b and e are broken
            ("b0 dc fe hg", "bdfh"),
        ],
    )
    def test_of_rivals_the_one_that_is_named_was_committed(self, chain: str, kept: str, tmp_path: Path) -> None:
        for step in chain.split():
            append(tmp_path, step[0], step[1], [("kind", {"name": step[0]})] * 2)
        damage = Damage()
        assert "".join(names(tmp_path, damage)[::2]) == kept
        assert damage.abandoned.total() == 2 * (len(chain.split()) - len(kept))

    def test_a_disk_that_was_full_for_days_is_not_held_in_memory(self, tmp_path: Path) -> None:
        append(tmp_path, "a", "0", [("kind", {"name": "a"})])
        for number in range(200):
            append(tmp_path, f"x{number}", "a", [("kind", {"name": f"x{number}"})])
        append(tmp_path, "b", "x199", [("kind", {"name": "b"})])
        damage, let_go = Damage(), list[int]()

        def parse(line: bytes) -> journal.Event | None:
            let_go.append(damage.abandoned.total())
            return journal.parse(line)

        with mock.patch.object(replay_module, "parse", parse):
            assert names(tmp_path, damage) == ["a", "x199", "b"]
        assert let_go[-1] >= 199 - replay_module.MOST_RIVALS
        assert damage.abandoned.total() == 199


class TestFromTheEnd:
    @settings(max_examples=60, deadline=None)
    @given(seed=st.integers(0, 10_000), block=st.integers(1, 400))
    def test_finds_what_reading_forward_finds(
        self, seed: int, block: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        random, folder = Random(seed), tmp_path_factory.mktemp("journal")
        whole: list[tuple[str, str, Path, int]] = []
        after = "start"
        for day in ("20200101", "20200102", "20200103"):
            content = b""
            for _ in range(random.randrange(4)):
                name = "".join(random.choices("abcdef", k=8))
                for _ in range(random.randrange(1, 4)):
                    if random.random() < 0.3:
                        content += random.choice([b"\n", b"torn\n", f'torn "{name}"\n'.encode()])
                    event = {"batch": name, "after": after, "kind": "k", "data": {"n": "x" * random.randrange(90)}}
                    whole.append((name, after, folder / f"{day}.jsonl", len(content)))
                    content += journal._line(event)
                after = name
            (folder / f"{day}.jsonl").write_bytes(content + random.choice([b"", b"torn", b"\n"]))
        with mock.patch.object(replay_module, "BLOCK", block):
            last, _ = last_event(folder)
            assert (last and last.batch) == (whole[-1][0] if whole else None)
            for name in {name for name, *_ in whole}:
                assert find_batch(folder, name) == next((path, at) for found, _, path, at in whole if found == name)
            first = next(((path, at) for _, before, path, at in whole if before == "start"), None)
            assert find_batch(folder, "start") == first
            assert find_batch(folder, "never") is None

    def test_reads_no_more_than_it_needs(self, tmp_path: Path) -> None:
        write(tmp_path, [f"{number:04d}" for number in range(300)])
        with mock.patch.object(replay_module, "parse", wraps=journal.parse) as parsing:
            last, is_broken = last_event(tmp_path)
        assert last is not None
        assert (last.batch, is_broken) == ("0299", False)
        assert parsing.call_count <= 2
        with day_files(tmp_path)[0].open("ab") as file:
            file.write(b"torn")
        assert last_event(tmp_path)[1]


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

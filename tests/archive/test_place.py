"""The same archive in a folder and in an object store; stores that lose, stall or refuse are told."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.archive.cubes import GRID, NOON, SIX, cube, provenance, storms
from tests.archive.s3 import Careless, Stalling, credentials, serving
from wxcore.archive import place
from wxcore.archive.digest import content_digest
from wxcore.archive.log import commits, list_tags, tag_snapshot
from wxcore.archive.place import Place, place_of
from wxcore.archive.read import list_cycles, list_fingerprints, open_archive
from wxcore.archive.recover import recover
from wxcore.archive.store import Commit, commit_cycle
from wxcore.errors import ArchiveError

ROOT = Path(__file__).parent.parent.parent


def commit(root: Path | str, when: datetime, version: int = 0, fence: Callable[[], None] | None = None) -> Commit:
    return commit_cycle(
        root, "r", GRID, when, cube(when, seed=version), storms(when), provenance(when, version), fence=fence
    )


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Root of archives: a folder, then an object store."""
    if request.param == "local":
        return tmp_path
    found = request.getfixturevalue("s3_root")
    assert isinstance(found, str)
    return found


class TestBothPlaces:
    def test_commit_again_new_version_and_as_of(self, root: Path | str) -> None:
        first = commit(root, NOON)
        assert commit(root, NOON) == Commit(first.snapshot_id, new=False)
        between = datetime.now(UTC)
        time.sleep(0.01)
        assert commit(root, NOON, 1).new
        commit(root, NOON + SIX)
        assert list_cycles(root, "r") == [NOON, NOON + SIX]
        assert list_fingerprints(root, "r")[NOON] == provenance(NOON, 1)["fingerprint"]
        now, then = open_archive(root, region="r"), open_archive(root, region="r", as_of=between)
        np.testing.assert_allclose(now["vil"][0], cube(NOON, seed=1)["vil"][0], atol=0.01)
        np.testing.assert_allclose(then["vil"], cube(NOON)["vil"], atol=0.01)
        other = replace(GRID, lon_west=107.0)
        with pytest.raises(ArchiveError, match="another grid"):
            commit_cycle(root, "r", other, NOON, cube(NOON, grid=other), storms(NOON), provenance(NOON, 2))

    def test_log_tags_recover_and_digest(self, root: Path | str, tmp_path: Path) -> None:
        assert commits(root, "r") == []
        assert recover(root, "r", None).action == "clean"
        first, second = commit(root, NOON), commit(root, NOON + SIX)
        assert [record.snapshot_id for record in commits(root, "r")] == [second.snapshot_id, first.snapshot_id]
        assert [record.cycle for record in commits(root, "r", since=first.snapshot_id)] == [NOON + SIX]
        tag_snapshot(root, "r", "w1", first.snapshot_id)
        tag_snapshot(root, "r", "w1", first.snapshot_id)
        with pytest.raises(ArchiveError, match="a tag never moves"):
            tag_snapshot(root, "r", "w1", second.snapshot_id)
        assert list_tags(root, "r") == {"w1": first.snapshot_id}
        assert recover(root, "r", second.snapshot_id).action == "clean"
        found = recover(root, "r", first.snapshot_id)
        assert (found.action, [record.cycle for record in found.adopted]) == ("adopted", [NOON + SIX])
        again = tmp_path / "again"
        commit(again, NOON + SIX)
        commit(again, NOON)
        assert content_digest(root, "r") == content_digest(again, "r")

    def test_a_fence_that_refuses(self, root: Path | str) -> None:
        commit(root, NOON)
        before = content_digest(root, "r")

        class LeaseLostError(Exception):
            pass

        def refuse() -> None:
            raise LeaseLostError

        with pytest.raises(LeaseLostError):
            commit(root, NOON + SIX, fence=refuse)
        assert content_digest(root, "r") == before
        assert len(commits(root, "r")) == 1
        asked: list[bool] = []
        assert commit(root, NOON + SIX, fence=lambda: asked.append(True)).new
        assert not commit(root, NOON + SIX, fence=lambda: asked.append(True)).new
        assert asked == [True]

    def test_two_writers_lose_nothing(self, root: Path | str) -> None:
        writer = (
            "import sys\nfrom tests.archive.cubes import *\nfrom wxcore.archive.store import commit_cycle\n"
            "for step in range(int(sys.argv[2]), int(sys.argv[3])):\n"
            "    when = NOON + step * SIX\n"
            "    made = cube(when, seed=step)\n"
            "    commit_cycle(sys.argv[1], 'r', GRID, when, made, storms(when), provenance(when))\n"
        )
        racing = [
            subprocess.Popen([sys.executable, "-c", writer, str(root), str(5 * n), str(5 * n + 5)], cwd=ROOT)
            for n in range(2)
        ]
        assert [process.wait(timeout=120) for process in racing] == [0, 0]
        times = [NOON + step * SIX for step in range(10)]
        assert list_cycles(root, "r") == times
        assert len(commits(root, "r")) == 10
        found = open_archive(root, region="r").load()
        for step, when in enumerate(times):
            made = cube(when, seed=step)
            for name in ("vil", "reflectivity", "shi", "mesh"):
                np.testing.assert_allclose(found[name].to_numpy()[step], made[name].to_numpy()[0], atol=0.051)


def test_a_store_that_ignores_conditional_put_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials(monkeypatch)
    with serving(Careless) as root, pytest.raises(ArchiveError, match="ignores conditional PUT") as caught:
        commit(root, NOON)
    assert "条件写入" in caught.value.zh


def test_a_store_that_stalls_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials(monkeypatch)
    monkeypatch.setattr(place, "ANSWER_S", 1)
    threads = []
    with serving(Stalling) as root:
        for _ in range(3):
            for use in (lambda: list_cycles(root, "r"), lambda: commit(root, NOON)):
                begin = time.monotonic()
                with pytest.raises(ArchiveError, match=r"object store|cannot be opened"):
                    use()
                assert time.monotonic() - begin < 60  # ANSWER_S x TRIES, twice, and a busy machine
            stalled = [thread for thread in threading.enumerate() if "process_request" in thread.name]  # the server's
            threads.append(len(list(Path("/proc/self/task").iterdir())) - len(stalled))
    assert threads[2] <= threads[0] + 2


def test_a_store_that_refuses_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials(monkeypatch)
    with pytest.raises(ArchiveError, match="does not answer"):
        commit("s3://archive/y?endpoint_url=http://127.0.0.1:9&allow_http=true", NOON)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("s3://b", Place("", "b")),
        ("s3://b/a/c/", Place("a/c", "b")),
        ("s3://b/a?endpoint_url=http://h:1&region=x&allow_http=true", Place("a", "b", "http://h:1", "x", True)),
        ("out/archive", Place("out/archive")),
    ],
)
def test_roots(text: str, wanted: Place) -> None:
    assert place_of(text) == wanted
    assert place_of(text, "r").path.endswith("/r") or place_of(text, "r").path == "r"
    assert place_of(place_of(text), "r") == place_of(text, "r")
    assert place_of(Path("out/archive")) == Place("out/archive")


@pytest.mark.parametrize("text", ["gs://b/x", "s3:///x", "s3://b/x?endpoint=http://h"])
def test_roots_that_are_none(text: str) -> None:
    with pytest.raises(ArchiveError, match="s3://bucket/prefix"):
        place_of(text)


class TestDurable:
    def test_synced_then_head_then_acknowledged(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Order within one commit: fence, commit, syncfs, head renamed into place, return."""
        commit(tmp_path, NOON)
        events: list[str] = []
        real_replace = Path.replace

        def replaced(path: Path, target: Path) -> Path:
            events.append(f"rename {target.parent.name}")
            return real_replace(path, target)

        def synced(descriptor: int) -> None:
            events.append(f"syncfs with {len(commits(tmp_path, 'r'))} commits")

        monkeypatch.setattr(os, "fsync", lambda descriptor: events.append("fsync"))
        monkeypatch.setattr(Path, "replace", replaced)
        monkeypatch.setattr(place, "sync_file_system", synced)
        commit(tmp_path, NOON + SIX, fence=lambda: events.append(f"fence at {len(commits(tmp_path, 'r'))} commits"))
        assert events == ["fence at 1 commits", "syncfs with 2 commits", "fsync", "rename heads", "fsync"]
        events.clear()
        commit(tmp_path, NOON + SIX)
        assert events == []

    def test_make_durable_asks_the_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        place.make_durable(tmp_path)
        with pytest.raises(FileNotFoundError):
            place.make_durable(tmp_path / "absent")
        asked: list[str] = []
        monkeypatch.setattr("ctypes.CDLL", lambda *args, **kwargs: object())
        monkeypatch.setattr(os, "sync", lambda: asked.append("sync"))
        place.make_durable(tmp_path)
        assert asked == ["sync"]

    @pytest.mark.parametrize("limit", [300, 3000])
    def test_a_full_disk_changes_nothing(self, limit: int, tmp_path: Path) -> None:
        """RLIMIT_FSIZE gives what a full disk gives: a short write, then an error."""
        commit(tmp_path, NOON)
        before = content_digest(tmp_path, "r")
        code = (
            "import resource, signal, sys\nfrom tests.archive.cubes import *\n"
            "from wxcore.archive.store import commit_cycle\nfrom wxcore.errors import ArchiveError\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
            "try:\n    commit_cycle(sys.argv[1], 'r', GRID, NOON + SIX, cube(NOON + SIX), storms(NOON), "
            "provenance(NOON + SIX))\n"
            "except ArchiveError as error:\n    print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert "the disk is full): nothing changed" in done.stdout
        assert content_digest(tmp_path, "r") == before
        assert commit(tmp_path, NOON + SIX).new

"""A file of a watched folder is picked up when it is whole, once, and nothing else is."""

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wxcore.errors import Reason
from wxcore.landing import arrivals
from wxcore.landing.arrivals import (
    EMPTY_POLLS,
    Arrived,
    Poll,
    Seen,
    arrival_of,
    beneath,
    poll,
    refusal_key,
    take,
    wait_until_complete,
    waiting,
)  # fmt: skip
from wxcore.landing.land import land_batch


class Watch:
    """The loop of a watch: polls, and takes what is ready."""

    def __init__(self, *roots: Path) -> None:
        self.roots = roots
        self.seen: dict[str, Seen] = {}

    def look(self) -> Poll:
        found = poll(self.roots, self.seen)
        self.seen = take(found.seen, found.ready)
        return found

    def names(self) -> list[str]:
        return [file.path.name for file in self.look().ready]


def test_a_writer_in_three_pauses(tmp_path: Path) -> None:
    watch, path = Watch(tmp_path), tmp_path / "volume.bin"
    whole = b""
    for part in (b"one", b"two", b"three", b"four"):
        whole += part
        path.write_bytes(whole)
        assert watch.names() == []
    (found,) = watch.look().ready
    assert (found.path, found.size) == (path, len(whole))
    (landed,) = land_batch([found.path], tmp_path / "landing", follow_links=False)
    assert landed.path.read_bytes() == whole  # type: ignore[union-attr]


def test_renamed_into_place_is_ready_at_once(tmp_path: Path) -> None:
    for temporary in ("a.bin.tmp", ".a.bin.X7f", "a.bin.PART", "~a.bin", "a.bin.filepart", "a.bin~"):
        folder = tmp_path / temporary.replace(".", "_")
        folder.mkdir()
        watch = Watch(folder)
        (folder / temporary).write_bytes(b"whole")
        assert watch.names() == watch.names() == watch.names() == []
        (folder / temporary).rename(folder / "a.bin")
        assert watch.names() == ["a.bin"], temporary
        assert watch.names() == []


def test_renamed_and_written_to_is_not_ready(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    (tmp_path / "a.tmp").write_bytes(b"half")
    watch.look()
    with (tmp_path / "a.tmp").open("ab") as file:
        file.write(b" and half")
    (tmp_path / "a.tmp").rename(tmp_path / "a")
    assert watch.names() == []
    assert watch.names() == ["a"]


def test_a_link_beside_its_temporary_name_is_not_ready_at_once(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    (tmp_path / "a.tmp").write_bytes(b"half")
    watch.look()
    os.link(tmp_path / "a.tmp", tmp_path / "a")  # its writer still has the temporary name
    assert watch.names() == []


def test_an_empty_file_has_only_just_been_created(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    (tmp_path / "a").touch()
    for _ in range(EMPTY_POLLS - 1):
        assert watch.names() == []
    assert watch.names() == ["a"]


OPS = st.lists(st.sampled_from(["write", "touch", "replace", "poll", "poll"]), max_size=25)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPS)
def test_ready_exactly_when_two_polls_saw_the_same(tmp_path: Path, ops: list[str]) -> None:
    """Oracle: the polls since the last change, counted beside."""
    path, watch = tmp_path / "a", Watch(tmp_path)
    path.write_bytes(b"x")
    clock, polls_since_change, taken = 10**18, 0, False
    os.utime(path, ns=(clock, clock))
    for op in ops:
        if op == "poll":
            polls_since_change += 1
            assert watch.names() == (["a"] if polls_since_change >= 2 and not taken else [])
            taken |= polls_since_change >= 2
            continue
        clock += 1
        if op == "write":
            path.write_bytes(path.read_bytes() + b"y")
        elif op == "replace":
            (tmp_path / "new").write_bytes(path.read_bytes())
            (tmp_path / "new").replace(path)
        os.utime(path, ns=(clock, clock))
        polls_since_change, taken = 0, False


def test_nothing_hidden_linked_or_special_is_picked(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "in"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (inside / "file-link").symlink_to(outside / "secret")
    (inside / "folder-link").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (inside / ".hidden").mkdir()
    (inside / ".hidden" / "x").write_bytes(b"x")
    (inside / "sub.tmp").mkdir()
    (inside / "sub.tmp" / "x").write_bytes(b"x")
    os.mkfifo(inside / "pipe")
    watch = Watch(inside)
    first = watch.look()
    assert {item.path.name: item.error.reason for item in first.refused} == {
        "file-link": Reason.OUTSIDE_ROOT, "folder-link": Reason.OUTSIDE_ROOT, "loop": Reason.OUTSIDE_ROOT,
        "pipe": Reason.NOT_A_FILE,
    }  # fmt: skip
    assert all(item.error.zh != item.error.en for item in first.refused)
    assert watch.look() == Poll((), watch.seen, ())  # told once
    assert not waiting(watch.seen)


def test_a_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "a").write_bytes(b"x")
    watch = Watch(tmp_path / "link", tmp_path / "real")
    watch.look()
    assert [file.path for file in watch.look().ready] == [tmp_path / "real" / "a"]


def test_sub_folders_to_a_depth(tmp_path: Path) -> None:
    folder = tmp_path
    for level in range(arrivals.MAX_DEPTH + 1):
        (folder / f"file{level}").write_bytes(b"x")
        folder = folder / "d"
        folder.mkdir()
    (folder / "too-deep").write_bytes(b"x")
    watch = Watch(tmp_path)
    (refused,) = watch.look().refused
    assert refused.error.reason == Reason.UNSUPPORTED
    assert sorted(watch.names()) == [f"file{level}" for level in range(arrivals.MAX_DEPTH + 1)]
    (folder / "another").write_bytes(b"x")
    assert watch.look().refused == ()


def test_a_folder_that_vanishes_is_told_and_what_was_in_it_is_remembered(tmp_path: Path) -> None:
    root, away = tmp_path / "mount", tmp_path / "away"
    root.mkdir()
    (root / "a").write_bytes(b"x")
    watch = Watch(root, tmp_path / "never")
    assert [item.path.name for item in watch.look().refused] == ["never"]
    assert watch.names() == ["a"]
    root.rename(away)
    (refused,) = watch.look().refused
    assert (refused.path, refused.error.reason) == (root, Reason.NOT_FOUND)
    assert watch.look().refused == ()
    away.rename(root)
    found = watch.look()
    assert (found.ready, found.refused) == ((), ())
    root.rename(away)
    assert len(watch.look().refused) == 1  # told again: it had come back


def test_newest_first_and_bounded(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"f{number}").write_bytes(b"x")
        os.utime(tmp_path / f"f{number}", (1e9 + number * 7 % 10, 1e9 + number * 7 % 10))
    by_age = sorted(tmp_path.iterdir(), key=lambda path: -path.stat().st_mtime_ns)
    seen = poll([tmp_path], {}).seen
    first = poll([tmp_path], seen, limit=4)
    assert [file.path for file in first.ready] == by_age[:4]
    second = poll([tmp_path], take(first.seen, first.ready), limit=4)
    assert [file.path for file in second.ready] == by_age[4:8]
    again = poll([tmp_path], first.seen, limit=4)  # not taken: the disk was full, perhaps
    assert again.ready == first.ready


def test_the_key_outlives_a_restart_and_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\n.bin")
    path.write_bytes(b"x")

    def key() -> str:
        watch = Watch(tmp_path)
        watch.look()
        (found,) = watch.look().ready
        assert isinstance(found, Arrived)
        return found.key

    before = key()
    assert key() == before
    assert len(before) == 64
    path.write_bytes(b"xx")
    assert key() != before


def test_waiting_for_a_young_file(tmp_path: Path) -> None:
    old, young, absent = tmp_path / "old", tmp_path / "young", tmp_path / "absent"
    old.write_bytes(b"x")
    os.utime(old, (1e9, 1e9))
    stop = threading.Event()

    def write() -> None:
        with young.open("wb", buffering=0) as file:
            while not stop.is_set():
                file.write(b"x")
                time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    while not young.exists():
        time.sleep(0.01)
    complete, unfinished = wait_until_complete([old, young, absent], poll_s=1.0, timeout_s=2.2)
    stop.set()
    writer.join()
    assert (complete, unfinished) == ([old, absent], [young])
    assert wait_until_complete([young, old], poll_s=0.05) == ([young, old], [])


@pytest.mark.parametrize(
    ("path", "inside"),
    [("in/a", True), ("in", True), ("in/../out/a", False), ("in/out-link/a", False), ("inner/a", False),
     ("out/in-link/a", True), ("in/x\0y", False), ("/etc/passwd", False)],
)  # fmt: skip
def test_beneath(tmp_path: Path, path: str, inside: bool) -> None:
    for name in ("in", "out", "inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").touch()
    (tmp_path / "in" / "out-link").symlink_to(tmp_path / "out")
    (tmp_path / "out" / "in-link").symlink_to(tmp_path / "in")
    assert beneath(tmp_path / path, [tmp_path / "in"]) is inside


def test_a_refusal_is_known_by_path_and_reason_and_is_no_arrival(tmp_path: Path) -> None:
    (file := tmp_path / "a").write_bytes(b"x")
    arrival = arrival_of(file)
    assert arrival is not None
    strange = Path(os.fsdecode(b"\xff\0"))
    keys = [
        refusal_key(path, reason)
        for path in (file, tmp_path / "b", strange)
        for reason in (Reason.NOT_FOUND, Reason.OUTSIDE_ROOT)
    ]
    assert len({*keys, arrival.key}) == 7
    assert {len(key) for key in keys} == {64}  # what the ledger's column holds
    assert keys[0] == refusal_key(file, Reason.NOT_FOUND)

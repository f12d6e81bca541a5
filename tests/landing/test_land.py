"""Bytes under their hash, whatever they are called."""

import errno
import hashlib
import io
import os
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.landing import land as landing
from wxcore.landing.arrivals import arrival_of
from wxcore.landing.files import MAX_NAME_SHOWN, MAX_TEXT_SHOWN, display_name, display_text
from wxcore.landing.land import INCOMING, Landed, clean_incoming, land, land_batch, landed_path


def files_below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_bytes_are_kept_under_their_hash(tmp_path: Path) -> None:
    source, root = tmp_path / "a.bin", tmp_path / "landing"
    source.write_bytes(b"radar" * 1000)
    sha256 = hashlib.sha256(b"radar" * 1000).hexdigest()
    first, again = land(source, root), land(source, root)
    assert first.new
    assert not again.new
    assert (first.sha256, first.size, first.name) == (sha256, 5000, "a.bin")
    assert first.path == again.path == landed_path(root, sha256) == root / sha256[:2] / sha256
    assert first.path.read_bytes() == source.read_bytes()
    assert files_below(root) == [first.path]
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o444


def test_dots_and_links_are_harmless(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    for path in (tmp_path / "sub" / ".." / "a", tmp_path / "link"):
        assert land(path, tmp_path / "landing").path.read_bytes() == b"x"


def test_refusals_leave_nothing(tmp_path: Path) -> None:
    root = tmp_path / "landing"
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path, Reason.IS_DIRECTORY),
        (tmp_path / "empty", Reason.EMPTY),
        (tmp_path / "pipe", Reason.NOT_A_FILE),
        (tmp_path / "absent", Reason.NOT_FOUND),
    ):
        with pytest.raises(ReadError) as caught:
            land(path, root)
        assert caught.value.reason == reason
    assert not root.exists()


def test_a_damaged_copy_is_replaced(tmp_path: Path) -> None:
    source, root = tmp_path / "a", tmp_path / "landing"
    source.write_bytes(b"whole")
    landed = land(source, root)
    landed.path.chmod(0o644)
    landed.path.write_bytes(b"")  # as a power cut leaves what was never synced
    assert land(source, root).new
    assert landed.path.read_bytes() == b"whole"


def test_a_copy_that_the_disk_has_changed_is_replaced(tmp_path: Path) -> None:
    """`wx archive check --deep` says so: ingest it again where you have it."""
    source, root = tmp_path / "a", tmp_path / "landing"
    source.write_bytes(b"whole")
    landed = land(source, root)
    landed.path.chmod(0o644)
    landed.path.write_bytes(b"whale")
    assert land(source, root).new
    assert landed.path.read_bytes() == b"whole"
    assert not land(source, root).new


def test_a_copy_that_the_disk_does_not_give_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, root = tmp_path / "a", tmp_path / "landing"
    source.write_bytes(b"whole")
    landed, real_open = land(source, root), Path.open

    def bad_open(path: Path, *args: str) -> object:
        if path == landed.path:
            raise OSError(errno.EIO, "Input/output error")
        return real_open(path, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", bad_open)
        assert land(source, root).new
    assert landed.path.read_bytes() == b"whole"


def test_what_is_copied_is_what_was_looked_at(tmp_path: Path) -> None:
    folder, root = tmp_path / "in", tmp_path / "landing"
    folder.mkdir()
    (path := folder / "a").write_bytes(b"first")
    seen = arrival_of(path)
    assert seen is not None
    (folder / "new").write_bytes(b"other")
    os.utime(folder / "new", ns=(seen.mtime_ns, seen.mtime_ns))
    (folder / "new").replace(path)  # the same size and time
    (found,) = land_batch([path], root, seen=[seen])
    assert isinstance(found, ReadError)
    assert found.reason == Reason.STILL_WRITTEN
    assert files_below(tmp_path / "landing") == []
    (found,) = land_batch([path], root, seen=[arrival_of(path)])
    assert isinstance(found, Landed)


@pytest.mark.parametrize("proc", [True, False])
def test_what_is_opened_lies_in_the_roots(tmp_path: Path, proc: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    for folder in ("in/deep", "out"):
        (tmp_path / folder / "a").write_bytes(folder.encode())
    (tmp_path / "in" / "way").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "inner").symlink_to("deep")
    if not proc:
        monkeypatch.setattr(Path, "readlink", lambda path: (_ for _ in ()).throw(FileNotFoundError(path)))
    paths = [tmp_path / "in" / name / "a" for name in ("deep", "way", "inner", "../out")]
    found = land_batch(paths, tmp_path / "landing", roots=[tmp_path / "in"])
    assert [item.reason if isinstance(item, ReadError) else "" for item in found] == [
        "", Reason.OUTSIDE_ROOT, "", Reason.OUTSIDE_ROOT,
    ]  # fmt: skip
    assert [path.read_bytes() for path in files_below(tmp_path / "landing")] == [b"in/deep"]


@pytest.mark.parametrize(("code", "stops"), [(errno.EMFILE, True), (errno.ENOMEM, True), (errno.EIO, False)])
def test_a_source_that_cannot_be_opened_now(
    tmp_path: Path, code: int, stops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good").write_bytes(b"good")
    (tmp_path / "bad").write_bytes(b"bad")
    real_open = os.open

    def no(path: Path, *args: int, **words: int) -> int:
        if os.fspath(path) == os.fspath(tmp_path / "bad"):
            raise OSError(code, os.strerror(code))
        return real_open(path, *args, **words)

    paths = [tmp_path / "good", tmp_path / "bad"]
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", no)
        if stops:
            with pytest.raises(OSError, match=os.strerror(code)):
                land_batch(paths, tmp_path / "landing")
            assert files_below(tmp_path / "landing") == []
        else:
            good, bad = land_batch(paths, tmp_path / "landing")
            assert isinstance(good, Landed)
            assert isinstance(bad, ReadError)
            assert bad.reason == Reason.NOT_FOUND
    assert all(isinstance(item, Landed) for item in land_batch(paths, tmp_path / "landing"))


def test_synced_before_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def told_fsync(handle: int) -> None:
        calls.append("fsync")
        fsync(handle)

    def told_replace(path: Path, target: Path) -> Path:
        calls.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", told_fsync)
    monkeypatch.setattr(Path, "replace", told_replace)
    (tmp_path / "a").write_bytes(b"x")
    land(tmp_path / "a", tmp_path / "landing")
    assert calls == ["fsync", "fsync", "rename", "fsync", "fsync"]  # root's parent; file, its folder, the root
    (tmp_path / "b").write_bytes(b"x")
    calls.clear()
    land(tmp_path / "b", tmp_path / "landing")
    assert calls == ["fsync"]  # the folder: who put the same bytes there may not have come to it


def test_a_failed_copy_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(OSError, match="No space"):
        land(tmp_path / "a", tmp_path / "landing")
    assert files_below(tmp_path / "landing") == []
    assert (tmp_path / "landing" / INCOMING).is_dir()


@given(st.text() | st.binary().map(os.fsdecode))
def test_a_name_shown_is_one_safe_line(name: str) -> None:
    shown = display_name(name)
    assert shown.isprintable()
    assert "/" not in shown
    assert len(shown) <= MAX_NAME_SHOWN
    shown.encode("utf-8")


@given(st.text(st.characters(categories=("L", "Cc", "Cs", "Cf", "P")), max_size=MAX_TEXT_SHOWN * 2))
def test_a_text_shown_is_one_safe_line(text: str) -> None:
    shown = display_text(text)
    assert shown.isprintable()
    assert len(shown) <= MAX_TEXT_SHOWN
    shown.encode("utf-8")


def test_a_text_keeps_what_a_name_loses() -> None:
    text = "雷达 a/b\\c " * 50
    assert display_text(text) == text
    assert display_text("A\0B\ud800\n") == r"A\x00B\ud800\x0a"


def test_names_that_were_clean_stay() -> None:
    name = "Z_RADR_I_Z9517_20200612054200_O_DOR_SA_CAP_FMT.bin.bz2"
    assert display_name(f"/a/b/{name}") == name
    assert display_name("雷达") == "雷达"
    assert display_name(os.fsdecode(b"\xff\n")) == r"\xff\x0a"


def test_a_file_over_the_cap_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    (big := tmp_path / "big.bin").write_bytes(bytes(5000))
    with pytest.raises(LimitError, match="larger than 4096 bytes"):
        land(big, tmp_path / "landing", cap_bytes=4096)
    assert [path for path in (tmp_path / "landing").rglob("*") if path.is_file()] == []


def test_a_batch_lands_all_but_the_bad_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "landing"
    for number in range(30):
        (tmp_path / f"f{number}").write_bytes(b"%d" % (number % 20))
    (tmp_path / "empty").touch()
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(handle), fsync(handle))[1])
    paths = [tmp_path / "absent", *(tmp_path / f"f{number}" for number in range(30)), tmp_path / "empty", tmp_path]
    landed = land_batch(paths, root)
    assert [item.reason for item in landed if isinstance(item, ReadError)] == [
        Reason.NOT_FOUND, Reason.EMPTY, Reason.IS_DIRECTORY,
    ]  # fmt: skip
    kept = [item for item in landed if isinstance(item, Landed)]
    assert [item.path.read_bytes() for item in kept] == [b"%d" % (number % 20) for number in range(30)]
    assert [item.new for item in kept] == [True] * 20 + [False] * 10
    assert len(files_below(root)) == 20
    folders = {item.path.parent for item in kept}
    assert len(synced) == 30 + len(folders) + 2  # each copy, each folder once, the root, the root's parent
    assert land_batch([], root) == []


def test_a_full_disk_stops_the_batch_and_leaves_no_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, fsync, calls = tmp_path / "landing", os.fsync, []
    paths = [tmp_path / f"f{number}" for number in range(5)]
    for path in paths:
        path.write_bytes(path.name.encode())

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            land_batch(paths, root)
    assert files_below(root) == []
    assert all(isinstance(item, Landed) and item.new for item in land_batch(paths, root))


def test_a_failed_rename_leaves_no_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, replace = tmp_path / "landing", Path.replace
    paths = [tmp_path / f"f{number}" for number in range(5)]
    for path in paths:
        path.write_bytes(path.name.encode())

    def refuse(path: Path, target: Path) -> Path:
        if target.name == hashlib.sha256(b"f3").hexdigest():
            raise OSError(5, "Input/output error")
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="Input"):
            land_batch(paths, root)
    assert list((root / INCOMING).iterdir()) == []
    landed = land_batch(paths, root)
    assert [item.new for item in landed if isinstance(item, Landed)] == [False, False, False, True, True]


def test_a_source_that_cannot_be_read_is_its_own_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "good").write_bytes(b"good")
    (tmp_path / "bad").write_bytes(b"bad")
    real_open = landing.open_regular

    class BadSector(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    def open_bad(path: Path, *, follow_links: bool) -> tuple[io.FileIO, int]:
        return (BadSector(path), 3) if path.name == "bad" else real_open(path, follow_links=follow_links)  # type: ignore[return-value]

    monkeypatch.setattr(landing, "open_regular", open_bad)
    bad, good = land_batch([tmp_path / "bad", tmp_path / "good"], tmp_path / "landing")
    assert isinstance(bad, ReadError)
    assert bad.reason == Reason.NOT_FOUND
    assert isinstance(good, Landed)
    assert files_below(tmp_path / "landing") == [good.path]


def test_a_file_that_changes_while_it_is_copied_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, source = tmp_path / "landing", tmp_path / "a"
    monkeypatch.setattr(landing, "BLOCK", 1000)
    real_read = landing._read

    def change(how: str) -> None:
        source.write_bytes(bytes(5000))
        os.utime(source, (1e9, 1e9))
        left = [how]

        def read_and_change(file: object, name: str) -> bytes:
            block = real_read(file, name)  # type: ignore[arg-type]
            if left:
                left.clear()
                with source.open("r+b") as other:
                    other.truncate(3000) if how == "cut" else other.seek(4000 if how == "same size" else 5000)
                    other.write(b"more" if how != "cut" else b"")
            return block

        monkeypatch.setattr(landing, "_read", read_and_change)

    for how in ("grow", "cut", "same size"):
        change(how)
        with pytest.raises(ReadError) as caught:
            land(source, root)
        assert caught.value.reason == Reason.STILL_WRITTEN, how
        assert caught.value.zh != caught.value.en
        assert files_below(root) == []
    monkeypatch.setattr(landing, "_read", real_read)
    assert land(source, root).new


def test_links_are_refused_where_asked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(ReadError) as caught:
        land(tmp_path / "link", tmp_path / "landing", follow_links=False)
    assert caught.value.reason == Reason.OUTSIDE_ROOT
    assert land(tmp_path / "a", tmp_path / "landing", follow_links=False).new


@pytest.mark.parametrize(
    ("mtime_ns", "expected"),
    [
        (1_591_940_520_123_456_789, datetime(2020, 6, 12, 5, 42, 0, 123456, tzinfo=UTC)),
        (-(10**18), datetime(1970, 1, 1, tzinfo=UTC)),
        (9 * 10**18, None),
    ],
)
def test_published_at_is_the_sources_clock_within_reason(
    tmp_path: Path, mtime_ns: int, expected: datetime | None
) -> None:
    (tmp_path / "a").write_bytes(b"x")
    os.utime(tmp_path / "a", ns=(mtime_ns, mtime_ns))
    found = land(tmp_path / "a", tmp_path / "landing").published_at
    assert found.tzinfo is UTC
    if expected is None:  # a clock that is ahead counts as now
        assert timedelta(0) <= datetime.now(UTC) - found < timedelta(minutes=5)
    else:
        assert found == expected


def test_what_a_crash_left_is_cleaned(tmp_path: Path) -> None:
    root = tmp_path / "landing"
    assert clean_incoming(root, 60) == 0
    (tmp_path / "a").write_bytes(b"x")
    kept = land(tmp_path / "a", root).path
    (root / INCOMING / "old").write_bytes(b"half")
    (root / INCOMING / "young").write_bytes(b"half")
    os.utime(root / INCOMING / "old", (time.time() - 100, time.time() - 100))
    assert clean_incoming(root, 60) == 1
    assert set(files_below(root)) == {root / INCOMING / "young", kept}
    assert not (root / INCOMING / "old").exists()

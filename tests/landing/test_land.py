"""Bytes under their hash, whatever they are called."""

import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.landing.files import MAX_NAME_SHOWN, display_name
from wxcore.landing.land import INCOMING, land, landed_path

HOSTILE = [
    b"plain.bin", b"..", b"...", b"..%2f..%2fetc", b"-rf", b"~", b"$(id)", b"`id`", b"a b", b" ", b"new\nline",
    b"carriage\rreturn", b"\x1b[2J", b"tab\t", b"\xff\xfe", b"\xe9.bin", "雷达.bin".encode(), "\u202egnp.bin".encode(),
    "\u2028".encode(), b"a" * 255, b"con", b"nul", b"<script>", b"';--", b"C:\\windows", b"..\\..\\x", b".hidden",
    b"%00",
    *(f"name{number:03d}{chr(number)}".encode() for number in range(1, 128) if chr(number) != "/"),
]  # fmt: skip


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


def test_no_name_leads_outside(tmp_path: Path) -> None:
    box, root = tmp_path / "box", tmp_path / "landing"
    box.mkdir()
    for number, raw in enumerate(HOSTILE):
        if raw in {b".", b".."}:
            continue
        path = os.fsencode(box) + b"/" + raw
        with open(path, "wb") as target:  # noqa: PTH123 (the name is bytes)
            target.write(f"content {number}".encode())
    before = {path for path in tmp_path.rglob("*") if root not in path.parents}
    for number, raw in enumerate(HOSTILE):
        if raw in {b".", b".."}:
            continue
        landed = land(Path(os.fsdecode(os.fsencode(box) + b"/" + raw)), root)
        assert landed.path.read_text() == f"content {number}"
        assert landed.name.isprintable()
        landed.name.encode("utf-8")
    assert {path for path in tmp_path.rglob("*") if root not in path.parents} - before == {root}
    assert all(len(path.name) == 64 for path in files_below(root))


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
    assert calls[0] == "fsync"
    assert calls[-2:] == ["rename", "fsync"]


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

"""RELIABILITY.md A12: two hundred names and links, none of which leads outside."""

import hashlib
import os
from pathlib import Path

from wxcore.errors import ReadError, Reason
from wxcore.landing.arrivals import poll
from wxcore.landing.land import Landed, land_batch

SPECIAL = [
    b"plain.bin", b"...", b"..%2f..%2fetc%2fpasswd", b"..%252f..", b"%2e%2e%2f", b"-rf", b"--", b"$(id)",
    b"`id`", b"; rm -rf x", b"| id", b"&& id", b"a b", b" ", b"  trailing ", b"new\nline", b"carriage\rreturn",
    b"\x1b[2J", b"tab\t", b"\xff\xfe", b"\xe9.bin", b"\xc0\xae\xc0\xae", b"\xed\xa0\x80", "雷达.bin".encode(),
    "\u202egnp.bin".encode(), "\u2028".encode(), "\ufeff.bin".encode(), b"a" * 255, "雷".encode() * 85, b"con", b"nul",
    b"<script>alert(1)</script>".replace(b"/", b"%2f"), b"';--", b'"', b"C:\\windows\\system32", b"..\\..\\x",
    b"\\\\host\\share", b"%00", b"%n%s", b"{0}", b"${HOME}", b"*", b"?", b"[a]", b"!", b"#", b"file:x", b"0", b"None",
    b"index.html", b"a.", b".." + b"a", b"=cmd|' '!A0", b"incoming", b"journal", b"ab", b"e3" * 32,
]  # fmt: skip
NAMES = [*SPECIAL, *(f"n{code:03d}{chr(code)}".encode() for code in range(1, 200) if chr(code) != "/")][:197]
LINKS = (b"passwd", b"up", b"root")


def test_two_hundred_names(tmp_path: Path) -> None:
    box, root = tmp_path / "box", tmp_path / "home" / "landing"
    box.mkdir()
    contents = {}
    for number, raw in enumerate(NAMES):
        contents[raw] = f"content {number}".encode()
        with open(os.path.join(os.fsencode(box), raw), "wb") as file:  # noqa: PTH118, PTH123 (the name is bytes)
            file.write(contents[raw])
    for link, target in zip(LINKS, ("/etc/passwd", "..", "/"), strict=True):
        (box / link.decode()).symlink_to(target)
    assert len({*NAMES, *LINKS}) == 200
    before = {path for path in tmp_path.rglob("*") if tmp_path / "home" not in path.parents}

    first = poll([box], {})
    ready = poll([box], first.seen).ready
    assert {os.fsencode(item.path.name) for item in first.refused} == set(LINKS)
    picked = {os.fsencode(file.path.name) for file in ready}
    assert set(NAMES) - picked == {name for name in NAMES if name.startswith((b".", b"~")) or name.endswith(b"~")}

    landed = land_batch([box / os.fsdecode(name) for name in [*NAMES, *LINKS]], root, follow_links=False)
    for name, item in zip(NAMES, landed, strict=False):
        assert isinstance(item, Landed), name
        sha256 = hashlib.sha256(contents[name]).hexdigest()
        assert item.path == root / sha256[:2] / sha256
        assert item.path.read_bytes() == contents[name]
        assert item.name.isprintable()
        assert "/" not in item.name
        item.name.encode("utf-8")
    refused = landed[len(NAMES) :]
    assert [item.reason for item in refused if isinstance(item, ReadError)] == [Reason.OUTSIDE_ROOT] * len(LINKS)
    after = {path for path in tmp_path.rglob("*") if tmp_path / "home" not in path.parents}
    assert after - before == {tmp_path / "home"}
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert sorted(path.name for path in kept) == sorted(hashlib.sha256(data).hexdigest() for data in contents.values())


def test_names_that_cannot_be(tmp_path: Path) -> None:
    paths = [Path("n" * 300), Path("nul\0byte"), Path("/" + "d/" * 3000)]
    landed = land_batch(paths, tmp_path / "landing")
    assert [item.reason for item in landed if isinstance(item, ReadError)] == [Reason.NOT_FOUND] * 3
    assert not (tmp_path / "landing").exists()

"""Feeds and files: valid by their schemas, the same bytes for the same messages, whole at every moment."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import etree

from tests.warning.deliver.scene import message, office, released
from tests.warning.scene import WHEN
from wxcore.errors import IssueError, TimeError
from wxcore.landing.ledger import MessageRow, list_messages
from wxcore.warning.deliver.feed import KEEP, NOTHING_YET, feed_bytes
from wxcore.warning.deliver.files import cap_file, is_public, write_public

NS = {"a": "http://www.w3.org/2005/Atom"}
BASE = "https://w.example.org"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[MessageRow]:
    """An alert, the update that ended it ten minutes later, and what both say."""
    place = office(tmp_path_factory.mktemp("home"))
    one = message("wx-1")
    released(place.ledger, one)
    later = WHEN + timedelta(minutes=10)
    two = message(
        "wx-2", msg_type="Update", references=(one.reference,), sent=later, effective=later, onset=later,
        headline_zh="测试气象台更新<冰雹>&橙色预警",
    )  # fmt: skip
    released(place.ledger, two, ended=("wx-1",))
    return list_messages(place.ledger, "testland", since=WHEN - timedelta(days=1))


def ids(atom: bytes) -> list[str]:
    return [entry.findtext("a:id", namespaces=NS) or "" for entry in etree.fromstring(atom).findall("a:entry", NS)]


def test_atom_and_rss_are_valid(rows: list[MessageRow], data: Path) -> None:
    rng = etree.RelaxNG(etree.parse(str(Path(__file__).parent / "atom.rng")))
    xsd = etree.XMLSchema(etree.parse(str(data / "cap/xsd/rss-2_0.xsd")))
    for some in (rows, []):
        feeds = feed_bytes(some, now=WHEN + timedelta(minutes=20), base_url=BASE, region="testland")
        assert rng.validate(etree.fromstring(feeds.atom)), rng.error_log
        assert not rng.validate(etree.fromstring(feeds.atom.replace(b"<updated>", b"<updated>x", 1)))
        if some:  # this schema wants an item, which RSS 2.0 does not
            assert xsd.validate(etree.fromstring(feeds.rss)), xsd.error_log


def test_an_entry_names_its_message(rows: list[MessageRow]) -> None:
    feeds = feed_bytes(rows, now=WHEN + timedelta(minutes=20), base_url=BASE)
    feed = etree.fromstring(feeds.atom)
    assert ids(feeds.atom) == ["wx-2", "wx-1"]
    assert feed.findtext("a:updated", namespaces=NS) == "2025-06-09T10:52:00Z"
    newest, oldest = feed.findall("a:entry", NS)
    assert newest.find("a:link", NS).get("href") == f"{BASE}/cap/wx-2.xml"
    assert newest.findtext("a:title", namespaces=NS) == "测试气象台更新<冰雹>&橙色预警"
    terms = {each.get("scheme"): each.get("term") for each in oldest.findall("a:category", NS)}
    assert terms["urn:wxcore:status"] == "Test"
    assert terms["urn:wxcore:ended-by"] == "wx-2"
    rss = etree.fromstring(feeds.rss)
    assert [item.findtext("guid") for item in rss.iter("item")] == ["wx-2", "wx-1"]
    assert rss.find("channel/item/pubDate").text == "Mon, 09 Jun 2025 10:52:00 GMT"


def test_the_etag_changes_with_the_content_only(rows: list[MessageRow]) -> None:
    early = feed_bytes(rows, now=WHEN + timedelta(minutes=20), base_url=BASE)
    late = feed_bytes(list(reversed(rows)), now=WHEN + timedelta(minutes=40), base_url=BASE)
    assert early == late
    assert early.etag == f'"{hashlib.sha256(early.atom).hexdigest()}"'
    assert early.etag != feed_bytes(rows[:1], now=WHEN + timedelta(minutes=20), base_url=BASE).etag


def test_what_is_over_leaves_after_two_days(rows: list[MessageRow]) -> None:
    ended = WHEN + timedelta(minutes=10)
    assert rows[0].ended_at == ended
    last = rows[1].expires
    second = timedelta(seconds=1)

    def at(now):
        return ids(feed_bytes(rows, now=now, base_url=BASE).atom)

    assert at(ended + KEEP - second) == ["wx-2", "wx-1"]
    assert at(ended + KEEP) == ["wx-2"]
    assert at(last + KEEP - second) == ["wx-2"]
    assert at(last + KEEP) == []


def test_an_empty_feed_stands_still() -> None:
    empty = feed_bytes([], now=WHEN, base_url=BASE)
    assert empty == feed_bytes([], now=WHEN + timedelta(days=9), base_url=BASE)
    assert NOTHING_YET.strftime("%Y-%m-%dT").encode() in empty.atom


def test_a_naive_time_is_refused(rows: list[MessageRow], tmp_path: Path) -> None:
    with pytest.raises(TimeError):
        feed_bytes(rows, now=WHEN.replace(tzinfo=None), base_url=BASE)
    with pytest.raises(TimeError):
        write_public(tmp_path / "p", rows, now=WHEN.replace(tzinfo=None), base_url=BASE)
    assert not (tmp_path / "p").exists()


def test_the_folder_is_rebuilt_from_nothing_to_the_same_bytes(rows: list[MessageRow], tmp_path: Path) -> None:
    now = WHEN + timedelta(minutes=20)
    folders = [tmp_path / "p", tmp_path / "q"]
    write_public(folders[0], rows[:1], now=WHEN, base_url=BASE)  # one grew, the other is written at once
    for folder in folders:
        write_public(folder, rows, now=now, base_url=BASE)
    files = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders]
    assert files[0] == files[1]
    assert sorted(map(str, files[0])) == ["cap/wx-1.xml", "cap/wx-2.xml", "feed.atom", "feed.rss", "warnings.geojson"]
    assert files[0][Path("cap/wx-1.xml")] == rows[0].cap.encode()
    live = json.loads(files[0][Path("warnings.geojson")])
    assert [feature["id"] for feature in live["features"]] == ["wx-2"]


def test_what_is_right_is_not_written_again(rows: list[MessageRow], tmp_path: Path) -> None:
    write_public(tmp_path / "p", rows, now=WHEN, base_url=BASE)
    before = {path: path.stat().st_ino for path in (tmp_path / "p").rglob("*")}
    write_public(tmp_path / "p", rows, now=WHEN + timedelta(minutes=1), base_url=BASE)
    assert before == {path: path.stat().st_ino for path in (tmp_path / "p").rglob("*")}
    cap_file(tmp_path / "p", "wx-1").write_bytes(b"tampered")
    assert not is_public(tmp_path / "p", "wx-1", rows[0].cap)
    write_public(tmp_path / "p", rows, now=WHEN + timedelta(minutes=1), base_url=BASE)
    assert is_public(tmp_path / "p", "wx-1", rows[0].cap)


def test_a_full_disk_leaves_the_old_file_whole(
    rows: list[MessageRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "p"
    old = write_public(folder, rows[:1], now=WHEN, base_url=BASE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_public(folder, rows, now=WHEN, base_url=BASE)
    assert (folder / "feed.atom").read_bytes() == old.atom
    assert list(folder.rglob(".*")) == []


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a\x00b", "a b", "x" * 300])
def test_an_identifier_that_is_no_file_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(IssueError):
        cap_file(tmp_path, name)

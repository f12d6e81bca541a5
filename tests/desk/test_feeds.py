"""Feeds and released messages as machines read them."""

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from lxml import etree

from tests.desk.conftest import Clock, client_of
from tests.warning.deliver.scene import DUTY, message, region, released
from wxcore.desk import feeds
from wxcore.desk.app import create_app
from wxcore.desk.state import Desk
from wxcore.landing.ledger import MessageRow, Revision, end_expired, enter_revision
from wxcore.warning.deliver.feed import Feeds, feed_bytes
from wxcore.warning.model import to_dict

ATOM = "{http://www.w3.org/2005/Atom}"
NAMES = ("/feed.atom", "/feed.rss")


@pytest.fixture
def there(desk: Desk, desk_clock: Clock) -> Desk:
    """The desk of the made-up region of the deliveries' tests, at the time of its first warning."""
    desk_clock.time = message().sent
    return replace(desk, office=replace(desk.office, region=region()))


@pytest.fixture
def reader(there: Desk) -> TestClient:
    return client_of(create_app(there))


class TestFeed:
    @pytest.mark.parametrize("path", NAMES)
    def test_an_empty_one_does_not_change_by_itself(self, reader: TestClient, desk_clock: Clock, path: str) -> None:
        first = reader.get(path)
        assert first.status_code == 200
        assert first.headers["last-modified"] == "Thu, 01 Jan 1970 00:00:00 GMT"
        desk_clock.move(hours=5)
        assert reader.get(path).content == first.content

    @pytest.mark.parametrize("path", NAMES)
    def test_a_second_message_of_the_same_second_is_not_hidden(
        self, there: Desk, reader: TestClient, path: str
    ) -> None:
        released(there.office.ledger, message())
        changed = reader.get(path).headers["last-modified"]
        released(there.office.ledger, message("wx-testland-2", hazard="gale"))
        answer = reader.get(path, headers={"If-Modified-Since": changed})
        assert answer.headers["last-modified"] == changed
        assert answer.status_code == 200
        assert b"wx-testland-2" in answer.content

    def test_made_once_between_acts_however_many_ask(
        self, there: Desk, reader: TestClient, desk_clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[int] = []

        def counted(rows: list[MessageRow], **how: Any) -> Feeds:
            made.append(len(rows))
            return feed_bytes(rows, **how)

        monkeypatch.setattr(feeds, "feed_bytes", counted)
        for _ in range(20):
            reader.get("/feed.atom")
            reader.get("/feed.rss")
        assert made == [0]
        released(there.office.ledger, message())
        assert all(b"wx-testland-1" in reader.get(path).content for path in (*NAMES, *NAMES))
        assert made == [0, 1]
        desk_clock.move(minutes=1)
        reader.get("/feed.atom")
        assert made == [0, 1, 1], "what is over leaves by the clock"

    @pytest.mark.parametrize("path", NAMES)
    def test_validators(self, there: Desk, reader: TestClient, desk_clock: Clock, path: str) -> None:
        old = reader.get(path).headers["etag"]
        released(there.office.ledger, message())
        answer = reader.get(path)
        etag, changed = answer.headers["etag"], answer.headers["last-modified"]
        assert etag != old
        assert changed == format_datetime(desk_clock(), usegmt=True)
        assert answer.headers["cache-control"] == "no-cache"
        for headers, status in (
            ({"If-None-Match": etag}, 304), ({"If-None-Match": f'"x", W/{etag}'}, 304), ({"If-None-Match": "*"}, 304),
            ({"If-None-Match": old}, 200), ({"If-Modified-Since": changed}, 200),
            ({"If-Modified-Since": format_datetime(desk_clock() - timedelta(seconds=1), usegmt=True)}, 200),
            ({"If-None-Match": old, "If-Modified-Since": changed}, 200), ({"If-Modified-Since": "yesterday"}, 200),
        ):  # fmt: skip
            again = reader.get(path, headers=headers)
            assert (again.status_code, again.headers["etag"]) == (status, etag), headers
            assert bool(again.content) is (status == 200)

    def test_what_is_in_it(self, there: Desk, reader: TestClient) -> None:
        released(there.office.ledger, message())
        feed = reader.get("/feed.atom")
        assert feed.headers["content-type"].startswith("application/atom+xml")
        entry = etree.fromstring(feed.content).find(f"{ATOM}entry")
        assert entry is not None
        assert entry.findtext(f"{ATOM}id") == "wx-testland-1"
        link = entry.find(f"{ATOM}link")
        assert link is not None
        assert link.get("href") == "http://127.0.0.1:8080/cap/wx-testland-1.xml"
        assert reader.get(link.get("href") or "").status_code == 200
        rss = etree.fromstring(reader.get("/feed.rss").content)
        assert [item.findtext("guid") for item in rss.iter("item")] == ["wx-testland-1"]

    def test_what_is_over_is_seen_as_a_change_and_goes_after_two_days(
        self, there: Desk, reader: TestClient, desk_clock: Clock
    ) -> None:
        released(there.office.ledger, message())
        before = reader.get("/feed.atom").headers
        desk_clock.time = message().expires
        end_expired(there.office.ledger, there.office.region.id, now=desk_clock())
        after = reader.get("/feed.atom", headers={"If-Modified-Since": before["last-modified"]})
        assert after.status_code == 200
        desk_clock.move(hours=48)
        assert b"<entry>" not in reader.get("/feed.atom").content


class TestCap:
    def test_byte_for_byte_as_signed(self, there: Desk, reader: TestClient) -> None:
        cap = released(there.office.ledger, message())
        answer = reader.get("/cap/wx-testland-1.xml")
        assert answer.content == cap.encode()
        assert answer.headers["content-type"].startswith("application/cap+xml")
        headers = {"If-None-Match": answer.headers["etag"]}
        assert reader.get("/cap/wx-testland-1.xml", headers=headers).status_code == 304
        assert reader.head("/cap/wx-testland-1.xml").status_code == 200

    def test_drafts_are_not_found(self, there: Desk, reader: TestClient) -> None:
        draft = message("wx-testland-draft")
        revision = Revision(draft.id, "", draft.region, draft.cycle, draft.hazard, draft.level, to_dict(draft))
        enter_revision(there.office.ledger, DUTY, revision, now=draft.sent, reason="test")
        assert reader.get("/cap/wx-testland-draft.xml").status_code == 404

    def test_nor_messages_of_another_region(self, there: Desk, desk: Desk) -> None:
        released(there.office.ledger, message())
        assert client_of(create_app(desk)).get("/cap/wx-testland-1.xml").status_code == 404

    @pytest.mark.parametrize("name", ["..%2F..%2Faccounts", "x", "..%00", "%2e%2e", "a" * 5000])
    def test_odd_names(self, reader: TestClient, name: str) -> None:
        assert reader.get(f"/cap/{name}.xml").status_code == 404

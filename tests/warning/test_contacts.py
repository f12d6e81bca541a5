"""Contacts: every fault of the file at once, who is called for what, and by which ways a message leaves."""

import hashlib
import itertools
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.warning.deliver.scene import message as one_district
from tests.warning.scene import WHEN
from wxcore.errors import TimeError, WarningError
from wxcore.warning.contacts import Contacts, Person, callouts_for, load_contacts, next_call, outbox_for, posts_for
from wxcore.warning.deliver.channels import Channel
from wxcore.warning.model import Change, Warning
from wxcore.warning.sms import sms, sms_lifted

ROOT = Path(__file__).parent.parent.parent


def message(**over: object) -> Warning:
    """A warning that names the districts 500101 and 500102."""
    made = one_district()
    return replace(made, **{"districts": (*made.districts, replace(made.districts[0], adcode="500102")), **over})


def person(name: str, tier: str, area: str, rank: int = 1) -> Person:
    return Person(name, f"值班员{name}", tier, area, rank, "mail", f"{name}@example.org")


PEOPLE = (
    person("city", "municipal", "500000"), person("d1b", "district", "500101", 2), person("d1a", "district", "500101"),
    person("d2", "district", "500102"), person("t1", "town", "500101001"), person("t2", "town", "500101002000"),
    person("t3", "town", "500102001"),
)  # fmt: skip
CONTACTS = Contacts((Channel("mail", "mail", {"host": "h", "sender": "s@example.org"}),), PEOPLE)


def tokens():
    numbers = itertools.count()
    return lambda: f"token{next(numbers)}"


def load(tmp_path: Path, text: str) -> Contacts:
    path = tmp_path / "delivery.toml"
    path.write_text(text, encoding="utf-8")
    return load_contacts(path)


class TestFile:
    def test_the_example_is_good_and_holds_no_secret(self) -> None:
        path = ROOT / "deploy" / "delivery.example.toml"
        contacts = load_contacts(path)
        assert [channel.kind for channel in contacts.channels] == ["webhook", "webhook", "mail", "wis2"]
        assert [each.post for each in contacts.people] == ["municipal:500000", "district:500103", "district:500103"]
        assert not re.search(r"^\s*(password|token|secret)\s*=", path.read_text(encoding="utf-8"), re.MULTILINE)

    def test_none_means_files_and_feed_only(self) -> None:
        contacts = load_contacts(None)
        assert contacts == Contacts()
        assert contacts.escalate_min == {"red": 3, "orange": 5, "yellow": 10, "blue": 15}
        assert [(each.channel, each.recipient) for each in outbox_for(contacts, message(), "<alert/>")] == [
            ("files", "all"), ("feed", "all"),
        ]  # fmt: skip

    def test_escalation_is_merged_with_the_default(self, tmp_path: Path) -> None:
        assert load(tmp_path, "[escalate]\nred = 1.5").escalate_min["red"] == 1.5
        assert load(tmp_path, "[escalate]\nred = 1.5").escalate_min["blue"] == 15

    def test_every_fault_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(WarningError) as refused:
            load(
                tmp_path,
                """
                [webhook]
                [escalate]
                red = 0
                purple = 3
                [public]
                base_url = "file:///x"
                [[channel]]
                id = "a"
                kind = "webhook"
                token = "hunter2"
                secret_env = "not a name"
                allow = ["10.0.0.1/8"]
                [[channel]]
                id = "a"
                kind = "pigeon"
                [[channel]]
                id = "feed"
                kind = "mail"
                host = "h"
                sender = "two@x, lines@y"
                port = 70000
                starttls = "no"
                [[person]]
                id = "all"
                name = "n"
                tier = "village"
                area = "50"
                rank = true
                channel = "nowhere"
                address = "x"
                """,
            )
        expected = [
            "webhook: unknown table", "red = 0", "unknown level purple", "base_url", "url is missing",
            "token must not stand here", "secret_env is not the name", "has host bits", "named 2 times", "pigeon",
            "this id is kept", "is no e-mail address", "port 70000", "starttls = 'no'", "tier 'village'", "area '50'",
            "rank = True", "channel 'nowhere'", "person all: this id is kept",
        ]  # fmt: skip
        assert [text for text in expected if text not in str(refused.value)] == []
        assert "hunter2" not in str(refused.value)

    @pytest.mark.parametrize("text", ["[[channel]", "channel = 3", "person = ['x']", "\xff"])
    def test_no_such_thing(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "delivery.toml").write_bytes(text.encode("latin-1"))
        with pytest.raises(WarningError):
            load_contacts(tmp_path / "delivery.toml")
        with pytest.raises(WarningError):
            load_contacts(tmp_path / "not there.toml")

    def test_a_naive_time_is_refused(self) -> None:
        naive = WHEN.replace(tzinfo=None)
        with pytest.raises(TimeError):
            callouts_for(CONTACTS, message(), now=naive, token=tokens(), desk_url="http://d")


class TestPosts:
    def test_the_district_that_is_named_and_its_towns(self) -> None:
        assert message().adcodes == ("500101", "500102")
        posts = posts_for(CONTACTS, replace(message(), districts=message().districts[:1]))
        assert [(post, [each.id for each in people]) for post, people in posts] == [
            ("district:500101", ["d1a", "d1b"]), ("municipal:500000", ["city"]), ("town:500101001", ["t1"]),
            ("town:500101002000", ["t2"]),
        ]  # fmt: skip

    def test_only_the_towns_that_are_named_where_any_is(self) -> None:
        town = replace(message().districts[0], adcode="500101002000")
        posts = [post for post, _ in posts_for(CONTACTS, message(towns=(town,)))]
        assert posts == [
            "district:500101", "district:500102", "municipal:500000", "town:500101002000", "town:500102001",
        ]  # fmt: skip


class TestCalls:
    def test_the_first_of_each_post_is_called(self) -> None:
        warning = message()
        rows, told = callouts_for(CONTACTS, warning, now=WHEN, token=tokens(), desk_url="https://desk/")
        assert [row.person for row in rows] == ["d1a", "d2", "city", "t1", "t2", "t3"]
        assert rows[0].due_at == WHEN + timedelta(minutes=5)
        assert warning.level == "orange"
        assert rows[0].token_hash == hashlib.sha256(b"token0").hexdigest()
        assert len({row.key for row in rows}) == len({each.key for each in told}) == 6
        payload = json.loads(told[0].payload)
        assert payload["link"] == "https://desk/a/token0"
        assert payload["address"] == "d1a@example.org"
        assert payload["text"].startswith(warning.headline_zh)
        assert (told[0].channel, told[0].recipient, told[0].expires_at) == ("mail", "d1a", warning.expires)

    def test_then_the_next_and_then_nobody(self) -> None:
        warning = message()
        [first, *_], _ = callouts_for(CONTACTS, warning, now=WHEN, token=tokens(), desk_url="d")
        late = first.due_at
        found = next_call(CONTACTS, warning, first, now=late, token=lambda: "other", desk_url="d")
        assert found is not None
        assert (found[0].person, found[0].rank, found[0].due_at) == ("d1b", 2, late + timedelta(minutes=5))
        assert next_call(CONTACTS, warning, found[0], now=late, token=lambda: "x", desk_url="d") is None
        assert next_call(CONTACTS, warning, first, now=warning.expires, token=lambda: "x", desk_url="d") is None

    def test_a_cancel_tells_everyone_and_calls_nobody(self) -> None:
        cancel = message(msg_type="Cancel", references=(message().reference,))
        rows, told = callouts_for(CONTACTS, cancel, now=WHEN, token=tokens(), desk_url="d")
        assert rows == []
        assert sorted(each.recipient for each in told) == sorted(each.id for each in PEOPLE)
        assert all(json.loads(each.payload)["link"] == "" for each in told)

    def test_an_update_offers_the_rest_to_whoever_heard_before(self) -> None:
        """The next of a post to be called again, and the posts whose place it may lift: the ledger knows who heard."""
        update = message(msg_type="Update", references=(message().reference,), districts=message().districts[:1])
        rows, told = callouts_for(CONTACTS, update, now=WHEN, token=tokens(), desk_url="d")
        assert [row.person for row in rows] == ["d1a", "city", "t1", "t2", "d1b"]
        assert [(each.recipient, each.if_told) for each in told] == [
            ("d1a", False), ("city", False), ("t1", False), ("t2", False), ("d1b", True), ("d2", True), ("t3", True),
        ]  # fmt: skip
        assert [bool(json.loads(each.payload)["link"]) for each in told] == [True] * 5 + [False] * 2
        assert {json.loads(each.payload)["sms"] for each in told} == {sms(update, "zh")}  # nothing is said to be lifted
        alert, _ = callouts_for(CONTACTS, replace(update, msg_type="Alert"), now=WHEN, token=tokens(), desk_url="d")
        assert [row.person for row in alert] == ["d1a", "city", "t1", "t2"]

    def test_a_lifted_place_hears_of_the_lifting_and_a_town_whose_district_stays_of_the_update(self) -> None:
        town = replace(message().districts[0], adcode="500101002000")
        update = message(
            msg_type="Update", districts=message().districts[:1], towns=(town,),
            change=Change(released=(("乙区", "District 2"),)),
        )  # fmt: skip
        _, told = callouts_for(CONTACTS, update, now=WHEN, token=tokens(), desk_url="d")
        heard = {each.recipient: json.loads(each.payload)["sms"] for each in told}
        lifted = {name for name, text in heard.items() if text == sms_lifted(update, "zh")}
        assert lifted == {"d2", "t3"}
        assert {heard[name] for name in set(heard) - lifted} == {sms(update, "zh")}
        assert "t1" in heard

    def test_a_lifting_in_the_language_of_who_is_told(self) -> None:
        foreign = replace(CONTACTS, people=(replace(PEOPLE[3], language="en"),))
        update = message(
            msg_type="Update", districts=message().districts[:1], change=Change(released=(("乙区", "District 2"),))
        )
        _, [told] = callouts_for(foreign, update, now=WHEN, token=tokens(), desk_url="d")
        heard = json.loads(told.payload)
        assert heard["text"] == f"{sms_lifted(update, 'en')}\n{update.description_en}"
        assert heard["headline_en"] == heard["sms"]


def test_the_ways_a_message_leaves_by() -> None:
    channels = (
        Channel("p", "webhook", {"url": "u"}), Channel("sms", "webhook", {"url": "u", "everyone": False}),
        Channel("m", "mail", {"to": ["a@x.org", "b@x.org"]}), Channel("w", "wis2", {}),
    )  # fmt: skip
    sent = outbox_for(Contacts(channels), message(), "<alert/>")
    assert [(each.channel, each.recipient) for each in sent] == [
        ("files", "all"), ("feed", "all"), ("p", "all"), ("m", "a@x.org"), ("m", "b@x.org"), ("w", "all"),
    ]  # fmt: skip
    payload = json.loads(sent[0].payload)
    assert payload["cap"] == "<alert/>"
    assert payload["status"] == "Test"
    west, south, east, north = payload["bbox"]
    assert 104 < west < east < 109
    assert 28 < south < north < 31

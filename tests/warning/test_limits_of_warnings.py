"""What is just allowed and what is not any more: one table of limits of messages, records, edits and releases."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.pipeline.issuing import BOOK, D1, REGION, WHEN, machine_draft, minutes
from tests.warning.test_cap_rules import BOX, SENT, broken, reference
from wxcore.errors import IssueError, WarningError
from wxcore.warning.cap_rules import MAX_HEADLINE, validate
from wxcore.warning.compose import compose
from wxcore.warning.lifecycle import MAX_REMARK, MAX_VALIDITY, Edit, edited, is_live

NOW = WHEN + minutes(2)
SECOND = timedelta(seconds=1)
RED = machine_draft("hail", "red", (D1,), WHEN)
EXPIRES, EFFECTIVE = "<expires>2025-06-10T00:42:00+08:00", "<effective>2025-06-09T18:42:00"


def cap(changes: dict[str, str]) -> Callable[[], object]:
    return lambda: validate(broken(changes), BOX)


def edit(**what: object) -> Callable[[], object]:
    return lambda: edited(RED, Edit(**what), BOOK, id="e", now=NOW, region=REGION)


def release(seconds: int = 0, **over: object) -> Callable[[], object]:
    now = WHEN + minutes(60) + timedelta(seconds=seconds)
    return lambda: compose([replace(RED, **over)], [], now=now, status="Test", book=BOOK)


def record(**over: object) -> Callable[[], object]:
    return lambda: replace(RED, **over)


ACCEPTED = {
    "CAP: ends a second after sent": cap({EXPIRES: "<expires>2025-06-09T18:42:01+08:00"}),
    "CAP: ends when it becomes effective": cap({EFFECTIVE: "<effective>2025-06-10T00:42:00"}),
    "CAP: ends at its onset": cap({"</effective>": "</effective><onset>2025-06-10T00:42:00+08:00</onset>"}),
    "CAP: refers to a message of its own second": cap(reference("wx@example.org,wx-0,2025-06-09T18:42:00+08:00")),
    "CAP: the same second on another clock": cap(
        {**reference("wx@example.org,wx-0,2025-06-09T18:42:00+08:00"), SENT: "<sent>2025-06-09T10:42:00+00:00</sent>"}
    ),
    "CAP: headline of 160": cap({"冰雹橙色预警": "雹" * MAX_HEADLINE}),
    "edit: valid for 24 h": edit(expires=NOW + MAX_VALIDITY),
    "edit: ends a second after now": edit(expires=NOW + SECOND),
    "edit: remark of 200": edit(remark_zh="字" * MAX_REMARK, remark_en="x" * MAX_REMARK),
    "release: an analysis of 60 min": release(),
    "release: ends a second after it begins": release(expires=WHEN + minutes(60) + SECOND),
    "record: ends a second after its onset": record(expires=RED.onset + SECOND),
    "record: sent, effective and begun at once": record(effective=RED.sent, onset=RED.sent),
}

REFUSED = {
    "CAP: ends when it is sent": (cap({EXPIRES: "<expires>2025-06-09T18:42:00+08:00"}), "not after sent"),
    "CAP: ends a second before effective": (cap({EFFECTIVE: "<effective>2025-06-10T00:42:01"}), "before effective"),
    "CAP: refers to a second later": (cap(reference("wx@example.org,wx-0,2025-06-09T18:42:01+08:00")), "later than"),
    "CAP: headline of 161": (cap({"冰雹橙色预警": "雹" * (MAX_HEADLINE + 1)}), "161 characters"),
    "edit: valid for 24 h and a second": (edit(expires=NOW + MAX_VALIDITY + SECOND), "at most 24 h"),
    "edit: ends now": (edit(expires=NOW), "expected after"),
    "edit: remark of 201": (edit(remark_zh="字" * (MAX_REMARK + 1)), "found 201"),
    "release: an analysis of 60 min and a second": (release(1), "more than 60 min"),
    "release: ends as it begins": (release(expires=WHEN + minutes(60)), "before it begins"),
    "record: ends at its onset": (record(expires=RED.onset), "onset < expires"),
    "record: effective before sent": (record(effective=RED.sent - SECOND), "sent <= effective"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_just_allowed(name: str) -> None:
    ACCEPTED[name]()


@pytest.mark.parametrize("name", REFUSED)
def test_not_any_more(name: str) -> None:
    act, words = REFUSED[name]
    with pytest.raises((IssueError, WarningError), match=words):
        act()


def test_a_message_is_in_force_until_the_second_of_its_end() -> None:
    assert is_live(RED, RED.expires - SECOND)
    assert not is_live(RED, RED.expires)

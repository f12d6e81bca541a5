"""The record: what it refuses, old records, round trip of what is new, and its digest."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.warning.scene import WHEN, chance, region, storm, tables, town
from wxcore.errors import TimeError, WarningError
from wxcore.warning.draft import draft
from wxcore.warning.model import Also, Change, Move, digest, from_dict, to_dict

NEW = ("observed", "change", "also", "leads", "towns", "remark_zh", "remark_en", "stage", "shortened_from")


def one():
    place = replace(region(), towns=(town("500101001", "近镇", 105.9),))
    return draft(*tables([storm(lon=105.8)], [chance("s1", "hail", 0.7)]), place, when=WHEN)[0]


def full():
    move = Move((("甲区", "District 1"),), "orange", "red")
    return replace(
        one(), also=(Also("gale", "blue", "大风", "Gale", (("甲区", "District 1"),)),), leads=False, remark_zh="补充",
        remark_en="more", stage="issued", status="Actual", shortened_from=WHEN + timedelta(hours=9),
        change=Change(added=(("乙区", "District 2"),), released=(("丙区", "x"),), raised=(move,), renewed=True),
    )  # fmt: skip


def test_everything_new_survives_json():
    warning = full()
    assert warning.towns
    assert warning.observed
    assert from_dict(json.loads(json.dumps(to_dict(warning)))) == warning


def test_a_record_of_the_time_before_still_loads():
    data = {name: value for name, value in to_dict(one()).items() if name not in NEW}
    old = from_dict(data)
    assert (old.observed, old.change, old.also, old.leads, old.towns, old.stage, old.shortened_from) == (
        None, Change(), (), True, (), "draft", None,
    )  # fmt: skip


def test_another_hazard_of_the_time_before_is_at_all_places():
    data = to_dict(full())
    del data["also"][0]["places"]
    assert from_dict(data).also == (Also("gale", "blue", "大风", "Gale"),)


def test_the_end_promised_before_is_aware_or_none():
    assert from_dict(to_dict(full())).shortened_from == WHEN + timedelta(hours=9)
    assert from_dict(to_dict(one())).shortened_from is None
    with pytest.raises(TimeError):
        replace(full(), shortened_from=WHEN.replace(tzinfo=None))
    with pytest.raises(TimeError):
        from_dict(to_dict(full()) | {"shortened_from": "2025-06-09T19:42:00"})


@pytest.mark.parametrize("name", ["observed", "change"])
def test_an_unknown_field_inside_is_refused(name):
    data = to_dict(full())
    data[name] = {**data[name], "older": 1}
    with pytest.raises(WarningError, match=f"{name}: older: unknown"):
        from_dict(data)


def test_actual_needs_to_be_issued():
    with pytest.raises(WarningError, match="Actual"):
        replace(full(), stage="draft")
    with pytest.raises(WarningError, match="stage 'sent'"):
        replace(full(), stage="sent")


def test_the_digest_is_of_the_content_alone():
    warning = full()
    again = from_dict(dict(reversed(list(json.loads(json.dumps(to_dict(warning))).items()))))
    assert digest(again) == digest(warning)
    assert len(digest(warning)) == 64
    for other in (
        replace(warning, remark_zh="补充。"),
        replace(warning, expires=warning.expires + timedelta(seconds=1)),
        replace(warning, districts=(replace(warning.districts[0], p=0.71), *warning.districts[1:])),
    ):
        assert digest(other) != digest(warning)

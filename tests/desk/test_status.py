"""The open status page: what it says of injected faults, and that it tells no name of a file."""

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.desk.scene_map import NOW, Scene, build
from wxcore.desk import status
from wxcore.desk.status import status_of
from wxcore.errors import TimeError
from wxcore.landing.ledger import Message, Source, claim_due, enqueue, expire_due, mark_failed
from wxcore.landing.ledger.engine import writing
from wxcore.pipeline.home import Home
from wxcore.pipeline.send import sender_file
from wxcore.pipeline.send_crew import public_folder
from wxcore.times import iso


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Copied for each test."""
    return build(tmp_path_factory.mktemp("status"))


@pytest.fixture
def scene(built: Scene, tmp_path: Path) -> Scene:
    home = Home(Path(shutil.copytree(built.home.root, tmp_path / "home")))
    return Scene(home, built.region, home.ledger())


def _lights(scene: Scene, now: datetime = NOW) -> dict[str, dict[str, Any]]:
    return {light["key"]: light for light in status_of(scene.home, scene.ledger, scene.region, now=now)["lights"]}


def _say(path: Path, **content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def test_all_is_well_with_a_watch_and_a_fresh_cycle(scene: Scene) -> None:
    _say(scene.home.status, time=iso(NOW - timedelta(seconds=20)))
    _say(sender_file(scene.home), time=iso(NOW - timedelta(seconds=20)), clock=True, public="")
    found = status_of(scene.home, scene.ledger, scene.region, now=NOW)
    assert {light["key"]: light["state"] for light in found["lights"]} == dict.fromkeys(
        ("cycle", "watch", "pending", "space", "conservation", "sender", "clock", "public", "outbox", "undelivered"),
        "ok",
    )
    assert (found["state"], found["word_zh"]) == ("ok", "正常")


@pytest.mark.parametrize(("minutes", "state"), [(15, "ok"), (16, "watch"), (31, "fault")])
def test_an_old_cycle_is_told(scene: Scene, minutes: int, state: str) -> None:
    newest = NOW - timedelta(minutes=3)
    assert _lights(scene, newest + timedelta(minutes=minutes))["cycle"]["state"] == state


def test_no_cycle_of_the_last_day_is_a_fault(scene: Scene) -> None:
    found = status_of(scene.home, scene.ledger, scene.region, now=NOW + timedelta(days=2))
    assert found["state"] == "fault"
    assert found["lights"][0]["zh"] == "近一天内没有分析时次"


@pytest.mark.parametrize(
    ("text", "state"),
    [(None, "watch"), ("{", "watch"), ('{"time": "never"}', "watch"), ("[]", "watch"),
     ('{"time": "2026-07-01T08:10:00Z"}', "watch"), ('{"time": "2026-07-01T08:00:00Z"}', "fault")],
)  # fmt: skip
def test_a_watch_that_is_not_heard_is_told(scene: Scene, text: str | None, state: str) -> None:
    if text is not None:
        scene.home.status.write_text(text)
    assert _lights(scene)["watch"]["state"] == state


def test_a_leak_in_the_counts_is_a_fault(scene: Scene) -> None:
    _say(scene.home.status, time=iso(NOW), received=5, stored=3, duplicate=1, quarantined=0, conservation_holds=False)
    assert _lights(scene)["conservation"]["state"] == "fault"
    assert "收到 5" in _lights(scene)["conservation"]["zh"]


def test_a_full_disk_is_a_fault(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "free_bytes", lambda path: 100 * 2**20)
    assert _lights(scene)["space"]["state"] == "fault"


def test_a_full_disk_of_the_public_files_alone_is_a_fault(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    public = public_folder(scene.home)
    monkeypatch.setattr(status, "free_bytes", lambda path: 0 if path == public else 100 * 2**30)
    assert _lights(scene)["space"]["state"] == "ok"
    public.mkdir()
    assert _lights(scene)["space"]["state"] == "fault"


@pytest.mark.parametrize(
    ("said", "light", "state", "zh"),
    [
        ({}, "sender", "watch", "未见心跳：未运行"),
        ({"time": iso(NOW)}, "sender", "ok", "心跳 0 分钟前"),
        ({"time": iso(NOW - timedelta(minutes=11))}, "sender", "fault", "心跳 11 分钟前"),
        ({"time": iso(NOW), "clock": False}, "clock", "fault", "时钟跳变，暂停到期处理、叫应和发送"),
        ({"time": iso(NOW), "public": "No space left on device"}, "public", "fault",
         "无法写入，内容可能已过时（No space left on device）"),
    ],
)  # fmt: skip
def test_what_the_sender_says_is_told(scene: Scene, said: dict[str, Any], light: str, state: str, zh: str) -> None:
    _say(sender_file(scene.home), **said)
    found = _lights(scene)[light]
    assert (found["state"], found["zh"]) == (state, zh)


def test_failed_and_expired_deliveries_are_told_without_their_recipient(scene: Scene) -> None:
    secret = Message("wx-1", "webhook", "https://secret.example/hook?key=1", "{}", NOW + timedelta(hours=1))
    with writing(scene.ledger) as transaction:
        enqueue(transaction, [secret], now=NOW)
    (row,) = claim_due(scene.ledger, now=NOW, holder="test", limit=1)
    mark_failed(scene.ledger, row, error="https://secret.example refused", now=NOW, random=Random(1))
    found = status_of(scene.home, scene.ledger, scene.region, now=NOW)
    lights = {light["key"]: light for light in found["lights"]}
    assert lights["outbox"]["state"] == "watch"
    assert lights["outbox"]["en"] == "1, of them 1 failed before"
    assert "secret" not in json.dumps(found)
    assert _lights(scene, NOW + timedelta(minutes=2))["outbox"]["state"] == "watch"
    assert _lights(scene, NOW + timedelta(minutes=10))["outbox"]["state"] == "fault"  # nobody takes it
    later = NOW + timedelta(hours=2)
    expire_due(scene.ledger, now=later)
    assert _lights(scene, later)["undelivered"]["state"] == "fault"
    assert _lights(scene, later + timedelta(days=2))["undelivered"]["state"] == "ok"


def test_no_path_and_no_file_is_named(scene: Scene) -> None:
    told = json.dumps(status_of(scene.home, scene.ledger, scene.region, now=NOW))
    assert str(scene.home.root) not in told
    assert "/" not in told.replace("T", "")


def test_an_exercise_clock_judges_nothing_by_the_real_one(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("volume", "Z9230", NOW - timedelta(minutes=3), NOW - timedelta(minutes=2))
    monkeypatch.setattr(status, "sources", lambda ledger, since: [source])
    _say(scene.home.status, time=iso(NOW - timedelta(days=144)))
    found = status_of(scene.home, scene.ledger, scene.region, now=NOW, exercise_clock=True)
    lights = {light["key"]: light for light in found["lights"]}
    assert (found["state"], found["exercise_clock"]) == ("watch", True)
    assert (lights["cycle"]["state"], lights["watch"]["state"]) == ("ok", "watch")
    assert "演习时钟" in lights["watch"]["zh"]
    assert [(row["age_min"], row["received_min"]) for row in found["sources"]] == [(3, None)]
    real = status_of(scene.home, scene.ledger, scene.region, now=NOW)
    assert (real["state"], real["exercise_clock"]) == ("fault", False)
    assert [row["received_min"] for row in real["sources"]] == [2]


def test_naive_times_are_refused(scene: Scene) -> None:
    with pytest.raises(TimeError):
        status_of(scene.home, scene.ledger, scene.region, now=NOW.replace(tzinfo=None))

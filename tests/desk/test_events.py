"""Server-sent events: told soon, one look for all viewers, slow viewers dropped, streams end with their session."""

import asyncio
import json
from datetime import timedelta
from random import Random

import pytest
from fastapi import HTTPException

from tests.desk.scene_pages import client, make_scene, release, released, sign
from wxcore.desk import events
from wxcore.desk.accounts import change_account
from wxcore.desk.events import QUEUE, Hub, Viewer, look, over_sessions
from wxcore.desk.sessions import hash_of
from wxcore.desk.state import MOST_STREAMS
from wxcore.landing.ledger import claim_due, close_sessions, mark_failed, open_session


@pytest.fixture
def scene(tmp_path):
    return make_scene(tmp_path)


def _session(scene, token="t" * 43):
    now = scene.clock.time
    open_session(
        scene.office.ledger, token_hash=hash_of(token), user="viewer1", role="viewer", csrf="c", now=now,
        expires_at=now + timedelta(hours=1), idle_s=3600,
    )  # fmt: skip
    return hash_of(token)


def _parsed(item):
    kind, data = item.decode().removesuffix("\n\n").split("\n")
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_a_release_is_told_once_with_its_headline(scene):
    before, news = look(scene.desk, None, slow=True)
    assert news == []
    identifier = released(client(scene, "forecaster"), scene)
    after, news = look(scene.desk, before, slow=True)
    kind, data = news[0]
    assert kind == "message"
    assert data["messages"][0]["identifier"] == identifier
    assert "冰雹" in data["messages"][0]["headline_zh"]
    assert look(scene.desk, after, slow=True) == (after, [])


def test_a_login_is_no_news_a_signature_is(scene):
    before, _ = look(scene.desk, None, slow=True)
    browser = client(scene, "forecaster")
    seen, news = look(scene.desk, before, slow=True)
    assert news == []
    name = next(iter(scene.drafts.values())).id
    sign(browser, name)
    _, news = look(scene.desk, seen, slow=True)
    assert news[0] == ("change", {"subjects": [name]})


def test_failed_deliveries_are_told(scene):
    released(client(scene, "forecaster"), scene)
    before, _ = look(scene.desk, None, slow=True)
    now = scene.clock.time
    row = claim_due(scene.office.ledger, now=now, holder="sender", limit=1)[0]
    mark_failed(scene.office.ledger, row, error="HTTP 503", now=now, random=Random(1))
    _, news = look(scene.desk, before, slow=True)
    assert news[-1] == ("outbox", {"failing": 1})


def test_all_viewers_are_told_and_one_look_is_for_all(scene, monkeypatch):
    looks = []
    real = events.look

    def counted(*args, **more):
        looks.append(1)
        return real(*args, **more)

    monkeypatch.setattr(events, "look", counted)
    browser = client(scene, "forecaster")
    name = next(one.id for (hazard, _), one in scene.drafts.items() if hazard == "hail")
    sign(browser, name)

    async def watch():
        hub = Hub(scene.desk, poll_s=0.5)
        session = _session(scene)
        viewers = [hub.join(session) for _ in range(100)]
        while len(looks) < 2:  # the second: the first has ended
            await asyncio.sleep(0.01)
        await asyncio.to_thread(release, browser, name, confirm="红色")
        first = await asyncio.gather(*(asyncio.wait_for(viewer.queue.get(), 60) for viewer in viewers))
        for viewer in viewers:
            hub.leave(viewer)
        return first, hub.task

    first, task = asyncio.run(watch())
    assert {_parsed(item)[0] for item in first} == {"message"}
    assert len(first) == 100
    assert task is None  # the last viewer ends the task
    assert len(looks) < 100  # of two a second


def test_a_slow_viewer_is_dropped_the_others_get_all(scene):
    async def tell():
        hub = Hub(scene.desk, poll_s=5)
        session = _session(scene)
        slow, quick = hub.join(session), hub.join(session)
        got = []
        for n in range(QUEUE + 1):
            hub.tell([b"%d" % n])
            got.append(await quick.queue.get())
        assert slow not in hub.viewers
        assert [item async for item in hub.stream(slow)] == [b"retry: 2000\n\n"]
        hub.leave(quick)
        return got

    assert len(asyncio.run(tell())) == QUEUE + 1


def test_heartbeat_and_end_with_the_session(scene):
    async def listen():
        hub = Hub(scene.desk, poll_s=0.02, slow_s=0.05, heartbeat_s=0.02)
        session = _session(scene)
        got = []
        async with asyncio.timeout(60):
            async for item in hub.stream(hub.join(session)):
                got.append(item)
                if len(got) == 3:
                    await asyncio.to_thread(close_sessions, scene.office.ledger, token_hash=session)
        return got

    got = asyncio.run(listen())
    assert got[1] == b": still here\n\n"
    assert events.SLOW_S + events.POLL_S < 30


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "duty"}])
def test_the_stream_of_a_changed_account_ends_though_its_session_is_left(scene, change):
    session = _session(scene)
    assert over_sessions(scene.desk, [session]) == set()
    change_account(scene.desk.accounts, "viewer1", **change)
    assert over_sessions(scene.desk, [session]) == {session}

    async def listen():
        hub = Hub(scene.desk, poll_s=0.02, slow_s=0.05)
        async with asyncio.timeout(60):
            return [item async for item in hub.stream(hub.join(session))]

    assert asyncio.run(listen()) == [b"retry: 2000\n\n"]


def test_one_session_has_only_so_many_streams(scene, monkeypatch):
    def admitted(_hub, _session):
        raise HTTPException(503)

    monkeypatch.setattr(Hub, "join", admitted)
    browser = client(scene, "viewer")
    session = hash_of(browser.cookies["wx_session"])
    hub = browser.app.state.hub = Hub(scene.desk)
    hub.viewers |= {Viewer(whose, asyncio.Queue()) for whose in [session] * (MOST_STREAMS - 1) + ["other"] * 20}
    assert browser.get("/events").status_code == 503
    hub.viewers.add(Viewer(session, asyncio.Queue()))
    assert browser.get("/events").status_code == 429


def test_a_look_that_fails_does_not_end_the_news(scene, monkeypatch):
    real, calls = events.look, []

    def flaky(*args, **more):
        calls.append(1)
        if len(calls) == 1:
            raise OSError("disk")
        return real(*args, **more)

    monkeypatch.setattr(events, "look", flaky)

    async def wait():
        hub = Hub(scene.desk, poll_s=0.01)
        viewer = hub.join(_session(scene))
        async with asyncio.timeout(60):
            while len(calls) < 3:
                await asyncio.sleep(0.01)
        hub.leave(viewer)

    asyncio.run(wait())


def test_nobody_unknown_gets_a_stream(scene):
    assert client(scene).get("/events", headers={"Accept": "application/json"}).status_code == 401

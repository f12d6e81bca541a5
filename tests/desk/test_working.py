"""The threads beside the server: one that breaks is begun anew, and a clock that jumps is not acted on."""

import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.desk.conftest import START
from wxcore.desk import serve
from wxcore.desk.serve import tick_loop, working
from wxcore.desk.state import Desk


def test_a_loop_that_breaks_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "TICK_S", 0.01)
    begun: list[str] = []
    again = threading.Event()

    def send(_: object, *, stop: threading.Event, now: object) -> None:
        begun.append("send")
        if len(begun) == 1:
            raise BrokenPipeError("nobody reads")
        again.set()
        stop.wait(60)

    monkeypatch.setattr(serve, "send_loop", send)
    monkeypatch.setattr(serve, "tick_loop", lambda _, *, stop, now: stop.wait(60))
    with working(Desk(None, Path("x"), lambda: START), send=True):  # type: ignore[arg-type]
        assert again.wait(60)
    assert begun == ["send", "send"]


def test_nothing_is_ended_by_a_clock_that_jumped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right, then three hours ahead for one look, then right again."""
    stop, ticks, looks = threading.Event(), list[datetime](), iter((0, 180, 180, 0, 0))
    monkeypatch.setattr(serve, "tick", lambda _, *, now: ticks.append(now))
    monkeypatch.setattr(serve, "make_ready", lambda *_, **__: None)
    begun = time.monotonic()

    def now() -> datetime:
        ahead = next(looks, None)
        if ahead is None:
            stop.set()
        return START + timedelta(seconds=time.monotonic() - begun, minutes=ahead or 0)

    class Place:
        home = region = ledger = None

    tick_loop(Place(), stop=stop, now=now, every_s=0.001)  # type: ignore[arg-type]
    assert len(ticks) == 4
    assert all(tick < START + timedelta(hours=1) for tick in ticks)

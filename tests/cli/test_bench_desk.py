"""`wx bench desk`: a home that cannot be measured says why. Nothing is said of times."""

import multiprocessing
import socket
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from tests.pipeline.issuing import D1, LI, WHEN, new_office, signed
from wxcore.cli import bench_desk as bench
from wxcore.errors import IssueError
from wxcore.pipeline.issue import release

NOW = WHEN + timedelta(minutes=2)


def test_a_draft_that_is_released_meanwhile_is_named(tmp_path: Path) -> None:
    office = new_office(tmp_path / "home")
    name = signed(office, D1)
    here, there = multiprocessing.Pipe()
    with socket.create_server((bench.HOST, 0)) as door:
        work = (office, NOW, door.getsockname()[1], there)
        thread = threading.Thread(target=bench._release_when_told, args=work)
        thread.start()
        assert bench._answer(here) == 1
        release(office, LI, [name], now=NOW)
        here.send("release")
        with pytest.raises(IssueError, match=rf"{name}.* with --out") as told:
            bench._answer(here)
        thread.join()
    assert name in told.value.zh

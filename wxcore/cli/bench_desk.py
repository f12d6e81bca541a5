"""`wx bench desk`: how soon a released warning is on every screen, and how long a page takes, with 500 who watch.

The server runs in a process of its own, on a copy of a home (`wx demo` makes one) as its newest cycle left it; the
viewers are bare sockets here, so that what is measured is the server.
"""

import asyncio
import multiprocessing
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import typer

from wxcore.cli.bench_table import Row, against, show_rows
from wxcore.cli.options import Json, Out, RegionId, home_of, region_of
from wxcore.desk.accounts import ACCOUNTS_FILE, add_account
from wxcore.desk.serve import serve
from wxcore.desk.sessions import COOKIE, hash_of
from wxcore.desk.state import Desk
from wxcore.errors import IssueError, WxcoreError
from wxcore.landing.ledger import Actor, WarningRow, cycles_between, open_session
from wxcore.pipeline.home import Home
from wxcore.pipeline.issue import Office, Policy, digest_of, drafts_open, open_office, release, sign
from wxcore.region import Region

VIEWERS = 500
SHOWN_S, PAGE_S = 1.0, 1.0
"""Issue 9: a new warning on screen within 1 s of release, pages under 1 s, 500 viewers on two cores."""

PAGES = ("/", "/api/frames", "/drafts", "/warnings", "/m", "/status")
RELEASES, REPEATS, PATIENCE_S, STOP_S = 3, 5, 60.0, 15.0
HOST = "127.0.0.1"
Viewers = Annotated[int, typer.Option("--viewers", min=1, help="Who watch. 观看人数")]


def bench_desk(viewers: Viewers = VIEWERS, region: RegionId = "", out: Out = None, as_json: Json = False) -> None:
    """From the release to the last of 500 screens, and pages meanwhile; on a copy of a home with drafts. 值班台基准."""
    home, where = home_of(out), region_of(region)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "home"
        shutil.copytree(home.root, copy, ignore=shutil.ignore_patterns("landing", "prepared", "reserve", ACCOUNTS_FILE))
        show_rows("wx bench desk", asyncio.run(_measured(copy, where, viewers)), as_json=as_json)


def _serve(root: Path, region: Region, tokens: Sequence[str], port: int, pipe: Connection) -> None:
    """The desk, until the other end closes; each word that comes is a release, answered by when it was done."""
    office = open_office(Home(root), region, Policy())
    now = cycles_between(office.ledger, region.id)[-1].time + timedelta(minutes=2)
    add_account(root / ACCOUNTS_FILE, "viewer", "viewer", secrets.token_urlsafe())
    for token in tokens:
        open_session(
            office.ledger, token_hash=hash_of(token), user="viewer", role="viewer", csrf="c", now=now,
            expires_at=now + timedelta(hours=1), idle_s=3600,
        )  # fmt: skip
    threading.Thread(target=_release_when_told, args=(office, now, port, pipe), daemon=True).start()
    serve(Desk(office, root / ACCOUNTS_FILE, lambda: now), host=HOST, port=port, send=False)


def _release_when_told(office: Office, now: datetime, port: int, pipe: Connection) -> None:
    while not _listens(port):
        time.sleep(0.05)
    waiting = drafts_open(office, now)[:RELEASES]
    pipe.send(len(waiting))
    for row in waiting:
        pipe.recv()
        try:
            pipe.send(_released(office, row, now))
        except WxcoreError as error:
            pipe.send((error.en, error.zh))


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def _released(office: Office, row: WarningRow, now: datetime) -> float:
    actor = Actor("bench", "forecaster")
    sign(office, actor, row.id, digest_of(row), now=now)
    release(office, actor, [row.id], now=now, override="bench")
    return time.time()


async def _measured(root: Path, region: Region, viewers: int) -> list[Row]:
    tokens = [f"viewer-{number}" for number in range(viewers)]
    with socket.socket() as door:
        door.bind((HOST, 0))
        port = door.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    pipe, theirs = spawn.Pipe()
    child = spawn.Process(target=_serve, args=(root, region, tokens, port, theirs), daemon=True)
    child.start()
    try:
        releases = await asyncio.to_thread(_answer, pipe)
        if not releases:
            raise IssueError("no open draft in this home: run `wx demo` first", "没有待处理的草稿：请先运行 `wx demo`")
        seen: list[float] = []
        watching = [asyncio.create_task(_watch(token, port, seen)) for token in tokens]
        await asyncio.sleep(1 + viewers / 100)
        shown = [await _shown(pipe, seen, viewers) for _ in range(int(releases))]
        pages = [await _page(path, tokens[0], port) for path in PAGES for _ in range(REPEATS)]
        for task in watching:
            task.cancel()
    finally:
        child.terminate()
        child.join(STOP_S)
    return [
        against(f"a released warning, on the last of {viewers} screens [s]", max(shown), SHOWN_S),
        against(f"slowest of {len(PAGES)} pages, {viewers} watching [s]", max(pages), PAGE_S),
    ]


def _answer(pipe: Connection) -> float:
    if not pipe.poll(PATIENCE_S):
        raise IssueError("the desk of the benchmark does not answer", "基准测试的值班台没有响应")
    told = pipe.recv()
    if isinstance(told, tuple):
        raise IssueError(
            f"the drafts of this home can no longer be released ({told[0]}): name a fresh demo with --out",
            f"此目录的草稿已不能发布（{told[1]}）：请用 --out 指定新的演示目录",
        )
    return float(told)


async def _watch(token: str, port: int, seen: list[float]) -> None:
    """One viewer: notes when it hears of a message."""
    reader, writer = await _asked("/events", token, port)
    try:
        while line := await reader.readline():
            if line.startswith(b"event: message"):
                seen.append(time.time())
    finally:
        writer.close()


async def _asked(path: str, token: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(HOST, port)
    words = (f"GET {path} HTTP/1.1", f"Host: {HOST}", f"Cookie: {COOKIE}={token}", "Connection: close", "", "")
    writer.write("\r\n".join(words).encode())
    await writer.drain()
    return reader, writer


async def _shown(pipe: Connection, seen: list[float], viewers: int) -> float:
    """From a release to the last viewer who hears of it [s]."""
    seen.clear()
    pipe.send("release")
    released = await asyncio.to_thread(_answer, pipe)
    async with asyncio.timeout(PATIENCE_S):
        while len(seen) < viewers:
            await asyncio.sleep(0.01)
    await asyncio.sleep(1)
    return max(0.0, max(seen) - released)


async def _page(path: str, token: str, port: int) -> float:
    """From asking to the last byte [s]."""
    began = time.perf_counter()
    reader, writer = await _asked(path, token, port)
    answer = await reader.read()
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise IssueError(f"{path}: {answer[:60]!r}", f"{path}：{answer[:60]!r}")
    return time.perf_counter() - began

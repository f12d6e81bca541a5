"""`wx watch`: take in what arrives, and run the cycles it belongs to, for ever.

One thread looks and lands, one decodes and decides, one makes volumes ready ahead of their cycle, one waits for the
cycle at work; decoders and cycles run in child processes that can be killed: nothing that hangs keeps the others
waiting. Nothing is remembered that a crash could lose: the ledger says which files are known, which wait, and which
cycles are stale.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from wxcore.errors import LedgerError, WxcoreError
from wxcore.landing.arrivals import Arrived, Seen, poll, refusal_key, take, waiting
from wxcore.landing.guard import close_guard
from wxcore.landing.ledger import PENDING, Conservation, conservation, known_arrivals
from wxcore.landing.space import free_reserve, is_full, keep_reserve, room_for_ingest
from wxcore.pipeline.ahead import Ahead, advance, note
from wxcore.pipeline.catchup import BACK
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import Offered, decide_pending, refuse, take_in
from wxcore.pipeline.maintain import RAW_DAYS
from wxcore.pipeline.prepared import forget
from wxcore.pipeline.recover import recover_home
from wxcore.pipeline.report import project_drafts
from wxcore.pipeline.result import QUARANTINED, Input
from wxcore.pipeline.status import silences, write_status
from wxcore.pipeline.watch_cycles import Office, Told, Turns, run_cycles
from wxcore.region import Region
from wxcore.times import iso

POLL_S = 2.0
"""Pause between two looks at the folders [s]; a file is taken at the second look that finds it unchanged."""

TAKE_LIMIT = 512
"""Most files landed at one look; the rest wait in their folder, newest first."""

TURN_S = 0.2
"""How often it is looked whether there is something to do, where no work that ends says so [s]."""

DECIDE_LIMIT = 4
"""Files that are decoded before it is asked again which wait: the newest need not wait for a backlog."""

WAITERS = 3
"""Threads that wait for a child process: decoding, making ready, and the cycle."""

COUNT_EVERY_S = 60.0
"""How often status.json counts all files anew [s]."""


@dataclass(frozen=True)
class Plan:
    """How to watch.

    Attributes:
        roots: folders to look into.
        poll_s: pause between two looks [s].
        back: cycles older than this are not run by themselves.
        until_idle: end when nothing is left to do, instead of never.
    """

    roots: tuple[Path, ...]
    poll_s: float = POLL_S
    back: timedelta = BACK
    until_idle: bool = False


@dataclass
class _Loop:
    """What one watching process knows; all of it may be lost."""

    seen: Mapping[str, Seen] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)
    ahead: Ahead = field(default_factory=Ahead)
    decoding: Future[int] | None = None
    decided: deque[Input] = field(default_factory=deque)
    pending: bool = True
    arriving: bool = True
    refused: int = 0
    silent: frozenset[str] = frozenset()
    paused: bool = False
    looked: float = -math.inf
    counted: tuple[float, Conservation] | None = None
    troubles: dict[str, str] = field(default_factory=dict)


def watch(
    plan: Plan,
    home: Home,
    region: Region,
    *,
    tell: Callable[[Told], None],
    stop: threading.Event | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> bool:
    """Watch until `stop` is set (or nothing is left to do, if so planned).

    Returns:
        False where a file was quarantined, or a cycle failed and was not run since.

    Raises:
        WxcoreError: another process watches for this home, or what `recover_home` cannot mend.
    """
    stop = stop or threading.Event()
    home.root.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(home.root / "watch.lock", timeout=0), ThreadPoolExecutor(WAITERS) as pool:
            names = ", ".join(map(str, plan.roots))
            tell(Told("start", f"watching {names}", f"正在监视 {names}"))
            _recover(home, region, tell)
            wake, loop = threading.Event(), _Loop()
            try:
                _watch(plan, Office(home, region, home.ledger(), tell, pool, wake.set), loop, stop, wake, now)
            finally:
                close_guard()  # a cycle at work is cut short: it has published whole, or not at all
    except Timeout as cause:
        raise WxcoreError(
            f"{home.root}: another wx watch is at work there: end it first, or use another --out",
            f"{home.root}：已有 wx watch 在运行：请先结束它，或换一个 --out",
        ) from cause
    tell(Told("stop", "stopped", "已停止"))
    return not loop.refused and not loop.turns.bad


def _recover(home: Home, region: Region, tell: Callable[[Told], None]) -> None:
    found = recover_home(home, region, thorough=True, rerun=False)
    if not found.clean:
        data = {"ledger": found.ledger, "archive": found.archive, "lost": [iso(time) for time in found.lost]}
        tell(Told("recovered", *found.words, data))


def _watch(
    plan: Plan, office: Office, loop: _Loop, stop: threading.Event, wake: threading.Event, now: Callable[[], datetime]
) -> None:
    while not stop.is_set():
        if time.monotonic() - loop.looked >= plan.poll_s:
            loop.looked = time.monotonic()
            _look(plan, office, loop, now())
        with _trouble(office, loop, "decode", over=False):
            _decode(office, loop, now())
        running = True
        with _trouble(office, loop, "cycles"):
            running = run_cycles(office, loop.turns, now(), back=plan.back, patient=not plan.until_idle)
        if not loop.paused:
            advance(office, loop.ahead, now())
        busy = running or loop.decoding or loop.pending or loop.arriving or loop.paused or loop.troubles
        if plan.until_idle and not busy:
            return
        wake.wait(min(TURN_S, plan.poll_s))
        wake.clear()


@contextmanager
def _trouble(office: Office, loop: _Loop, part: str, *, over: bool = True) -> Iterator[None]:
    """Nothing that disk or database refuse ends the watch: what could not be done is done at a later turn.

    The trouble of each part is told once, and again where it is another one, or was over.

    Args:
        over: whether it is over where nothing is raised here.
    """
    try:
        yield
    except (OSError, LedgerError) as error:
        full = is_full(error)
        if full:
            free_reserve(office.home.root)
            loop.paused = True
        words = WxcoreError(str(error)) if isinstance(error, OSError) else error
        if str(error) != loop.troubles.get(part):
            kind = "paused" if full else "failed"
            office.tell(Told(kind, f"{words.en}; trying again", f"{words.zh}；稍后重试"))
        loop.troubles[part] = str(error)
    else:
        if over:
            loop.troubles.pop(part, None)


def _look(plan: Plan, office: Office, loop: _Loop, now: datetime) -> None:
    """One look at the folders, and the heartbeat, whatever the look met."""
    loop.pending = True
    with _trouble(office, loop, "look"):
        if _has_room(office, loop):
            _take(plan, office, loop, now)
            _went_through(office, loop)
    with _trouble(office, loop, "drafts"):
        if loop.turns.undrawn:
            project_drafts(office.home, office.region, office.ledger, now)
            loop.turns.undrawn = False
    with _trouble(office, loop, "status"):
        _watch_silence(office, loop, now)


def _has_room(office: Office, loop: _Loop) -> bool:
    """Whether ingest may go on; tells when it pauses."""
    room = room_for_ingest(office.home.root, paused=loop.paused)
    if not room.ok and not loop.paused:
        office.tell(Told("paused", room.message_en, room.message_zh, {"free_bytes": room.free_bytes}))
        loop.paused = True
    if loop.paused:
        forget(office.home, timedelta(0))
    return room.ok


def _went_through(office: Office, loop: _Loop) -> None:
    """Only when a look went through has a pause ended: a quota is full where the disk seems not."""
    if loop.paused:
        office.tell(Told("resumed", "there is room again: ingest goes on", "磁盘空间已恢复：继续导入"))
        loop.paused = False
    else:
        keep_reserve(office.home.root)


def _take(plan: Plan, office: Office, loop: _Loop, now: datetime) -> None:
    """Land what is complete and new."""
    looked = poll(plan.roots, loop.seen, limit=TAKE_LIMIT)
    loop.seen = looked.seen
    known = known_arrivals(office.ledger, [item.key for item in looked.ready])
    fresh, old = _by_age([item for item in looked.ready if item.key not in known], now)
    offered = [Offered(item.path, item.key, item) for item in fresh]
    received = take_in(offered, office.home, office.region, office.ledger, now, follow_links=False)
    again = {item.key for item, result in zip(fresh, received, strict=True) if result is None}
    loop.seen = take(looked.seen, [item for item in looked.ready if item.key not in again])
    for item in received:
        if item is not None and item.status != PENDING:
            _tell_file(office, loop, item)
    for refusal in looked.refused:
        key = refusal_key(refusal.path, refusal.error.reason)
        _tell_file(office, loop, refuse(office.ledger, refusal.path.name, refusal.error, now, key))
    if old:
        office.tell(Told(
            "left", f"{len(old)} files were last written more than {RAW_DAYS} days ago: `wx ingest` takes them",
            f"{len(old)} 个文件最后写入已超过 {RAW_DAYS} 天：请用 `wx ingest` 导入", {"files": len(old)},
        ))  # fmt: skip
    loop.arriving = bool(fresh) or waiting(loop.seen)


def _by_age(items: Sequence[Arrived], now: datetime) -> tuple[list[Arrived], list[Arrived]]:
    """The fresh, and those so old that the ledger may have forgotten that they were here."""
    oldest = (now - timedelta(days=RAW_DAYS)).timestamp() * 1e9
    return [one for one in items if one.mtime_ns >= oldest], [one for one in items if one.mtime_ns < oldest]


def _decode(office: Office, loop: _Loop, now: datetime) -> None:
    """Tell what has been decided, and decode on where something waits."""
    while loop.decided:
        item = loop.decided.popleft()
        _tell_file(office, loop, item)
        note(loop.ahead, item, now)
    if loop.decoding is not None and loop.decoding.done():
        job, loop.decoding, loop.pending = loop.decoding, None, False  # where it failed, the next look tries again
        loop.pending = job.result() > 0
        loop.troubles.pop("decode", None)
        loop.turns.changed |= loop.pending
    if loop.decoding is None and loop.pending:
        loop.decoding = office.pool.submit(_decide, office, loop.decided, now)
        loop.decoding.add_done_callback(lambda _: office.wake())


def _decide(office: Office, decided: deque[Input], now: datetime) -> int:
    """Decode a few of what waits, newest first; how many."""
    count = 0
    for item in decide_pending(office.home, office.region, office.ledger, DECIDE_LIMIT, now):
        decided.append(item)
        office.wake()
        count += 1
    return count


def _tell_file(office: Office, loop: _Loop, item: Input) -> None:
    loop.refused += item.status == QUARANTINED
    en, zh = (f" [{item.reason}] {words}" if item.reason else "" for words in (item.message_en, item.message_zh))
    office.tell(Told("file", f"{item.status} {item.file}{en}", f"{item.status} {item.file}{zh}", item.to_json()))


def _watch_silence(office: Office, loop: _Loop, now: datetime) -> None:
    """Keep status.json current, and tell once of each source that has gone silent."""
    if loop.counted is None or time.monotonic() - loop.counted[0] >= COUNT_EVERY_S:
        loop.counted = time.monotonic(), conservation(office.ledger)
    running = loop.turns.running[0].time if loop.turns.running else None
    found = silences(
        write_status(office.home, office.ledger, now, counts=loop.counted[1], paused=loop.paused, running=running), now
    )
    for item in found:
        if item.source not in loop.silent:
            office.tell(Told(
                "silent", f"{item.source}: silent, its newest observation is {item.age_min} min old",
                f"{item.source}：资料中断，最新观测已过去 {item.age_min} 分钟",
                {"source": item.source, "age_min": item.age_min},
            ))  # fmt: skip
    loop.silent = frozenset(item.source for item in found)

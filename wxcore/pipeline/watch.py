"""`wx watch`: take in what arrives, and run the cycles it belongs to, for ever.

One thread looks, lands and decides; one runs cycles, each in a child process that can be killed. Nothing is remembered
that a crash could lose: the ledger says which files are known and which cycles are stale.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wxcore.errors import LedgerError, WxcoreError
from wxcore.landing.arrivals import Seen, poll, take, waiting
from wxcore.landing.guard import close_guard, run_guarded
from wxcore.landing.ledger import PENDING, Ledger, known_arrivals
from wxcore.landing.space import free_reserve, is_full, keep_reserve, room_for_ingest
from wxcore.pipeline.catchup import BACK, CUT_OFF, HISTORY, Stale, next_cycle, ready, stale_cycles
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import Offered, decide_pending, refuse, take_in
from wxcore.pipeline.recover import recover_home
from wxcore.pipeline.report import publish
from wxcore.pipeline.result import Input, RunResult
from wxcore.pipeline.status import silences, write_status
from wxcore.region import Region
from wxcore.times import CYCLE, iso, latest_cycle

POLL_S = 2.0
"""Pause between two looks at the folders [s]; a file is taken at the second look that finds it unchanged."""

TAKE_LIMIT = 512
"""Most files landed at one look; the rest wait in their folder, newest first."""

CYCLE_POLL_S = 0.2
"""How often it is looked whether a cycle has ended, or is due [s]."""

DECIDE_LIMIT = 64
"""Most files decoded between two looks."""

CYCLE_WALL_S = 2 * CYCLE.total_seconds()
"""A cycle that takes longer is killed and tried again (RELIABILITY.md B4: watchdog at 2 x cycle) [s]."""

CYCLE_MEMORY_BYTES = 16 * 2**30
"""Address space of the process that runs cycles: threads and mapped files count, resident memory is far below."""

ATTEMPTS = 3
"""A cycle that failed so often is left until its files or its past change."""


@dataclass(frozen=True)
class Told:
    """One thing that happened. `kind`: start, recovered, file, cycle, failed, paused, resumed, silent, stop."""

    kind: str
    en: str
    zh: str
    data: Mapping[str, Any] = field(default_factory=dict)


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
    ran: dict[datetime, datetime] = field(default_factory=dict)
    failures: dict[tuple[datetime, str], int] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    paused: bool = False
    busy: bool = True
    looked: float = -math.inf
    trouble: str = ""
    running: tuple[Stale, Future[dict[str, Any]]] | None = None


@dataclass(frozen=True)
class _Here:
    """What a watch works with."""

    plan: Plan
    home: Home
    region: Region
    ledger: Ledger
    tell: Callable[[Told], None]
    pool: ThreadPoolExecutor


def watch(
    plan: Plan,
    home: Home,
    region: Region,
    *,
    tell: Callable[[Told], None],
    stop: threading.Event | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Watch until `stop` is set (or nothing is left to do, if so planned).

    Raises:
        WxcoreError: another process watches for this home, or what `recover_home` cannot mend.
    """
    stop = stop or threading.Event()
    home.root.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(home.root / "watch.lock", timeout=0), ThreadPoolExecutor(1) as pool:
            tell(Told("start", f"watching {_names(plan.roots)}", f"正在监视 {_names(plan.roots)}"))
            _recover(home, region, tell)
            try:
                _watch(plan, home, region, tell, stop, now, pool)
            finally:
                close_guard()  # a cycle at work is cut short: it has published whole, or not at all
    except Timeout as cause:
        raise WxcoreError(
            f"{home.root}: another wx watch is at work there: end it first, or use another --out",
            f"{home.root}：已有 wx watch 在运行：请先结束它，或换一个 --out",
        ) from cause
    tell(Told("stop", "stopped", "已停止"))


def _names(roots: Sequence[Path]) -> str:
    return ", ".join(str(root) for root in roots)


def _recover(home: Home, region: Region, tell: Callable[[Told], None]) -> None:
    found = recover_home(home, region, thorough=True, rerun=False)
    if not found.clean:
        data = {"ledger": found.ledger, "archive": found.archive, "lost": [iso(time) for time in found.lost]}
        tell(Told("recovered", *found.words, data))


def _watch(
    plan: Plan,
    home: Home,
    region: Region,
    tell: Callable[[Told], None],
    stop: threading.Event,
    now: Callable[[], datetime],
    pool: ThreadPoolExecutor,
) -> None:
    ledger, loop = home.ledger(), _Loop()
    here = _Here(plan, home, region, ledger, tell, pool)
    while not stop.is_set():
        try:
            if time.monotonic() - loop.looked >= plan.poll_s:
                loop.busy = _has_room(here, loop) and _look(here, loop, now())
                loop.looked = time.monotonic()
                _watch_silence(here, loop, now())
            busy = _run_cycles(here, loop, now()) or loop.busy
        except (OSError, LedgerError) as error:
            _trouble(here, loop, error)
            busy = True
        if plan.until_idle and not busy:
            return
        stop.wait(min(CYCLE_POLL_S, plan.poll_s))


def _trouble(here: _Here, loop: _Loop, error: OSError | WxcoreError) -> None:
    """Nothing that disk or database refuse ends the watch: what could not be done is done at a later look."""
    full = is_full(error)
    if full:
        free_reserve(here.home.root)
        loop.paused = True
    words = WxcoreError(str(error)) if isinstance(error, OSError) else error
    if str(error) != loop.trouble:
        kind = "paused" if full else "failed"
        here.tell(Told(kind, f"{words.en}; trying again", f"{words.zh}；稍后重试"))
    loop.trouble = str(error)


def _has_room(here: _Here, loop: _Loop) -> bool:
    """Whether ingest may go on; tells when it pauses."""
    room = room_for_ingest(here.home.root, paused=loop.paused)
    if room.ok:
        keep_reserve(here.home.root)
    elif not loop.paused:
        here.tell(Told("paused", room.message_en, room.message_zh, {"free_bytes": room.free_bytes}))
        loop.paused = True
    return room.ok


def _look(here: _Here, loop: _Loop, now: datetime) -> bool:
    """Take in what came. Only when that went through has a pause ended: a quota is full where the disk seems not."""
    more = _take(here, loop, now)
    if loop.paused:
        here.tell(Told("resumed", "there is room again: ingest goes on", "磁盘空间已恢复：继续导入"))
    loop.paused, loop.trouble = False, ""
    return more


def _take(here: _Here, loop: _Loop, now: datetime) -> bool:
    """One look at the folders, and some decoding; whether there is or may be more to do."""
    looked = poll(here.plan.roots, loop.seen, limit=TAKE_LIMIT)
    loop.seen = looked.seen
    known = known_arrivals(here.ledger, [item.key for item in looked.ready])
    new = [item for item in looked.ready if item.key not in known]
    offered = [Offered(item.path, item.key) for item in new]
    received = take_in(offered, here.home, here.region, here.ledger, now, follow_links=False)
    again = {item.key for item, result in zip(new, received, strict=True) if result is None}
    loop.seen = take(looked.seen, [item for item in looked.ready if item.key not in again])
    told = [item for item in received if item is not None and item.status != PENDING]
    told += [refuse(here.ledger, item.path.name, item.error, now) for item in looked.refused]
    told += decide_pending(here.home, here.region, here.ledger, DECIDE_LIMIT, now)
    for item in told:
        here.tell(_file(item))
    return bool(new or told or waiting(loop.seen))


def _file(item: Input) -> Told:
    en, zh = (f" [{item.reason}] {words}" if item.reason else "" for words in (item.message_en, item.message_zh))
    return Told("file", f"{item.status} {item.file}{en}", f"{item.status} {item.file}{zh}", item.to_json())


def _run_cycles(here: _Here, loop: _Loop, now: datetime) -> bool:
    """Start the next cycle where none runs; whether one runs."""
    if loop.running is not None:
        item, future = loop.running
        if not future.done():
            return True
        loop.running = None
        _finished(here, loop, item, future, now)
    stale = [
        item
        for item in stale_cycles(here.ledger, here.region, now - here.plan.back, latest_cycle(now) + CYCLE)
        if loop.failures.get((item.time, item.basis), 0) < ATTEMPTS
    ]
    recent = {
        row.site for item in stale for row in item.chosen.volumes if row.obs_time and now - row.obs_time <= HISTORY
    }
    patient = not here.plan.until_idle
    wanted = next_cycle([one for one in stale if not patient or ready(one, recent, loop.ran, now)], now)
    if wanted is None:
        return False
    issue = now - wanted.time <= CUT_OFF
    loop.running = wanted, here.pool.submit(_guarded_cycle, here.home, here.region, wanted.time, issue=issue)
    return True


def _guarded_cycle(home: Home, region: Region, when: datetime, *, issue: bool) -> dict[str, Any]:
    return run_guarded(cycle_job, home, region, when, issue, wall_s=CYCLE_WALL_S, memory_bytes=CYCLE_MEMORY_BYTES)


def cycle_job(home: Home, region: Region, when: datetime, issue: bool) -> dict[str, Any]:
    """A cycle and its report, in the process that may be killed; the JSON of the cycle."""
    cycle = run_cycle(home, region, when, issue=issue)
    publish(home, region, RunResult(region.id, cycle.inputs, (cycle,)))
    return cycle.to_json()


def _finished(here: _Here, loop: _Loop, item: Stale, future: Future[dict[str, Any]], now: datetime) -> None:
    loop.ran[item.time] = now
    when = iso(item.time)
    try:
        done = future.result()
    except WxcoreError as error:
        loop.failures[item.time, item.basis] = loop.failures.get((item.time, item.basis), 0) + 1
        here.tell(Told("failed", f"{when}: {error.en}", f"{when}：{error.zh}", {"time": when}))
        return
    mark_en, mark_zh = (" (re-analysis)", "（再分析）") if done["reanalysis"] else ("", "")
    less_en, less_zh = (", degraded", "，降级") if done["degraded"] else ("", "")
    storms, drafts = len(done["storms"]), len(done["drafts"])
    here.tell(Told(
        "cycle", f"{when}{mark_en}: {storms} storms, {drafts} drafts{less_en}",
        f"{when}{mark_zh}：{storms} 个风暴，{drafts} 份草稿{less_zh}", done,
    ))  # fmt: skip


def _watch_silence(here: _Here, loop: _Loop, now: datetime) -> None:
    """Keep status.json current, and tell once of each source that has gone silent."""
    running = loop.running[0].time if loop.running else None
    found = silences(write_status(here.home, here.ledger, now, paused=loop.paused, running=running), now)
    for item in found:
        if item.source not in loop.silent:
            here.tell(Told(
                "silent", f"{item.source}: silent, its newest observation is {item.age_min} min old",
                f"{item.source}：资料中断，最新观测已过去 {item.age_min} 分钟",
                {"source": item.source, "age_min": item.age_min},
            ))  # fmt: skip
    loop.silent = frozenset(item.source for item in found)

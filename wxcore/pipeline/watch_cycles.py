"""The cycles of a watch: which is next, the process that runs it, and what follows when it fails."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from wxcore.errors import ArchiveError, LedgerError, WxcoreError
from wxcore.landing.guard import run_guarded
from wxcore.landing.ledger import FileRow, Ledger, cycles_between, files_between, pending_files
from wxcore.landing.space import free_reserve, is_full
from wxcore.pipeline.catchup import (
    CUT_OFF,
    HISTORY,
    PATIENCE,
    Ran,
    Stale,
    is_newest,
    next_cycle,
    radar_files,
    ready,
    stale_cycles,
)
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.gather import VOLUME_TOLERANCE
from wxcore.pipeline.home import Home
from wxcore.pipeline.report import publish
from wxcore.pipeline.result import RunResult
from wxcore.region import Region
from wxcore.times import CYCLE, iso, latest_cycle

CYCLE_WALL_S = 2 * CYCLE.total_seconds()
"""A cycle that takes longer is killed and tried again (RELIABILITY.md B4: watchdog at 2 x cycle) [s]."""

CYCLE_MEMORY_BYTES = 16 * 2**30
"""Address space of the process that runs cycles: threads and mapped files count, resident memory is far below."""

ATTEMPTS = 3
"""A cycle that failed so often by itself is left until its files or its past change. What archive, ledger or disk
refuse does not count: that is tried for ever."""

LIST_EVERY_S = 30.0
"""How often stale cycles are looked for where this process has changed nothing: others may ingest too [s]."""


@dataclass(frozen=True)
class Told:
    """One thing that happened. `kind`: start, recovered, file, left, cycle, failed, paused, resumed, silent, stop."""

    kind: str
    en: str
    zh: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass
class Turns:
    """What a watch knows of its cycles; all of it may be lost.

    Attributes:
        changed: a file was decided or a cycle ended since the stale ones were listed.
        undrawn: files of drafts may not be what the ledger says: at the start, and when a cycle has failed.
        running: the cycle at work and its job.
        stale, recent, recorded, listed: the stale cycles, the radars that delivered lately, the newest cycle on
            record, and when that was looked up.
        met: since when a cycle waits for files that wait to be decoded.
        ran: when each cycle was last run, and with which radars. failures: how often it failed by itself.
        bad: cycles that failed and have not been run since.
    """

    changed: bool = True
    undrawn: bool = True
    running: tuple[Stale, Future[dict[str, Any]]] | None = None
    stale: list[Stale] = field(default_factory=list)
    recent: set[str] = field(default_factory=set)
    recorded: datetime | None = None
    listed: tuple[datetime, float] | None = None
    met: dict[datetime, float] = field(default_factory=dict)
    ran: dict[datetime, Ran] = field(default_factory=dict)
    failures: dict[tuple[datetime, str], int] = field(default_factory=dict)
    bad: set[datetime] = field(default_factory=set)


@dataclass(frozen=True)
class Office:
    """What a watch works with. `wake` is called, from any thread, when a piece of work has ended."""

    home: Home
    region: Region
    ledger: Ledger
    tell: Callable[[Told], None]
    pool: ThreadPoolExecutor
    wake: Callable[[], None]


def run_cycles(office: Office, turns: Turns, now: datetime, *, back: timedelta, patient: bool) -> bool:
    """Take the result of the cycle that has ended, start the next where none runs; whether one runs.

    Args:
        back: cycles older than this are left.
        patient: wait for radars that delivered lately and have not yet.

    Raises:
        LedgerError: the ledger fails.
    """
    if turns.running is not None:
        item, job = turns.running
        if not job.done():
            return True
        turns.running = None
        _finished(office, turns, item, job, now)
    _list(office, turns, now, back)
    able = [item for item in turns.stale if turns.failures.get((item.time, item.basis), 0) < ATTEMPTS]
    due = [item for item in able if not patient or ready(item, turns.recent, turns.ran, now)]
    waiting = pending_files(office.ledger, 1) if due else []
    due = [item for item in due if _is_decoded(waiting, turns, item)]
    wanted = next_cycle(due, now, turns.recorded)
    if wanted is None:
        return False
    issue, newest = now - wanted.time <= CUT_OFF, is_newest(office.ledger, office.region, wanted.time)
    job = office.pool.submit(
        run_guarded, cycle_job, office.home, office.region, wanted.time, issue, newest,
        wall_s=CYCLE_WALL_S, memory_bytes=CYCLE_MEMORY_BYTES,
    )  # fmt: skip
    job.add_done_callback(lambda _: office.wake())
    turns.running = wanted, job
    return True


def _is_decoded(waiting: Sequence[FileRow], turns: Turns, item: Stale) -> bool:
    """Whether no file that waits to be decoded may belong to the cycle. For what goes on coming it waits no longer
    than for radars.

    Args:
        waiting: the last published of the files that wait; empty where none does.
    """
    if all(row.published_at < item.time - VOLUME_TOLERANCE for row in waiting):
        return True
    return time.monotonic() - turns.met.setdefault(item.time, time.monotonic()) >= PATIENCE.total_seconds()


def _list(office: Office, turns: Turns, now: datetime, back: timedelta) -> None:
    """The stale cycles, listed again only where they may be others: that reads a day of files."""
    slot, since = latest_cycle(now), time.monotonic()
    if not turns.changed and turns.listed and turns.listed[0] == slot and since - turns.listed[1] < LIST_EVERY_S:
        return
    turns.stale = stale_cycles(office.ledger, office.region, now - back, slot + CYCLE)
    rows = files_between(office.ledger, now - HISTORY, now, {"volume"})
    known = {site.id for site in office.region.radars_at(now)}
    turns.recent = {row.site for row in rows} & known
    recorded = cycles_between(office.ledger, office.region.id, now - back)
    turns.recorded = recorded[-1].time if recorded else None
    turns.ran = {when: at for when, at in turns.ran.items() if when >= now - back}
    turns.met = {when: at for when, at in turns.met.items() if any(item.time == when for item in turns.stale)}
    turns.failures = {key: count for key, count in turns.failures.items() if key[0] >= now - back}
    turns.changed, turns.listed = False, (slot, since)


def cycle_job(home: Home, region: Region, when: datetime, issue: bool, newest: bool) -> dict[str, Any]:
    """A cycle and its report, in the process that may be killed.

    Returns:
        the JSON of the cycle; where archive, ledger or disk refuse: `message_en`, `message_zh`, `full`.
    """
    try:
        cycle = run_cycle(home, region, when, issue=issue)
        publish(home, region, RunResult(region.id, cycle.inputs, (cycle,)), report=newest)
    except (ArchiveError, LedgerError, OSError) as error:
        words = _words(error)
        return {"message_en": words.en, "message_zh": words.zh, "full": is_full(error)}
    return cycle.to_json()


def _words(error: OSError | WxcoreError) -> WxcoreError:
    if isinstance(error, WxcoreError):
        return error
    return WxcoreError(f"the system refused: {error}", f"系统拒绝操作：{error}")


def _finished(office: Office, turns: Turns, item: Stale, job: Future[dict[str, Any]], now: datetime) -> None:
    turns.ran[item.time], turns.changed = Ran(now, radar_files(item.chosen)), True
    try:
        done = job.result()
    except WxcoreError as error:
        turns.failures[item.time, item.basis] = turns.failures.get((item.time, item.basis), 0) + 1
        _failed(office, turns, item, error)
    except OSError as error:
        _failed(office, turns, item, _words(error))
    else:
        if "message_en" in done:
            if done["full"]:
                free_reserve(office.home.root)
            _failed(office, turns, item, WxcoreError(done["message_en"], done["message_zh"]))
            return
        turns.bad.discard(item.time)
        office.tell(_cycle(iso(item.time), done))


def _failed(office: Office, turns: Turns, item: Stale, error: WxcoreError) -> None:
    when = iso(item.time)
    turns.bad.add(item.time)
    turns.undrawn = True
    office.tell(Told("failed", f"{when}: {error.en}", f"{when}：{error.zh}", {"time": when}))


def _cycle(when: str, done: dict[str, Any]) -> Told:
    mark_en, mark_zh = (" (re-analysis)", "（再分析）") if done["reanalysis"] else ("", "")
    less_en, less_zh = (", degraded", "，降级") if done["degraded"] else ("", "")
    storms, drafts = len(done["storms"]), len(done["drafts"])
    return Told(
        "cycle",
        f"{when}{mark_en}: {storms} storms, {drafts} drafts{less_en}",
        f"{when}{mark_zh}：{storms} 个风暴，{drafts} 份草稿{less_zh}",
        done,
    )

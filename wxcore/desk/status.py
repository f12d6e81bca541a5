"""The open status page: health by source, of the chain, and of delivery. It names no file, no path and no recipient."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wxcore.desk.access import permits
from wxcore.desk.once import Once
from wxcore.desk.render import render
from wxcore.desk.state import desk_of
from wxcore.errors import TimeError
from wxcore.landing.ledger import Ledger, conservation, count_outbox, cycles_between, pending_count, sources
from wxcore.landing.space import PAUSE_BELOW, RESUME_ABOVE, free_bytes
from wxcore.pipeline.catchup import BACK
from wxcore.pipeline.home import Home
from wxcore.pipeline.send import sender_file
from wxcore.pipeline.send_crew import public_folder
from wxcore.pipeline.status import silences
from wxcore.region import Region
from wxcore.times import beijing, iso, parse_time, require_utc

OK, WATCH, FAULT = "ok", "watch", "fault"
WORDS = {OK: ("正常", "OK"), WATCH: ("注意", "attention"), FAULT: ("故障", "fault")}
RANK = (OK, WATCH, FAULT)

FRESH_S = 5
"""A status is told again for so long [s]: anybody may ask, and counting everything takes a while."""

HEARTBEAT_LATE, HEARTBEAT_LOST = timedelta(minutes=2), timedelta(minutes=10)
"""Since the last word of the watch: attention, fault [our choice]; it speaks every few seconds."""

CYCLE_LATE, CYCLE_LOST = timedelta(minutes=15), timedelta(minutes=30)
"""Since the newest cycle's time: one cycle to scan, two to be late (RELIABILITY.md B12); four missed are a fault."""

MANY_PENDING = 200
"""Files that wait: more than a cycle brings (14 radars and five other sources) are a queue [our choice]."""

OVERDUE_LATE, OVERDUE_LOST = timedelta(seconds=30), timedelta(minutes=5)
"""A message is due for so long, and nobody took it: attention (a failure shows within 30 s, RELIABILITY.md B9), fault:
no sender is running."""


@dataclass(frozen=True)
class Light:
    """One line of the page: what, how it is, and the figure in words."""

    key: str
    state: str
    name_zh: str
    name_en: str
    zh: str
    en: str

    def to_json(self) -> dict[str, str]:
        """The line with its word."""
        word_zh, word_en = WORDS[self.state]
        return {"key": self.key, "state": self.state, "word_zh": word_zh, "word_en": word_en, "name_zh": self.name_zh,
                "name_en": self.name_en, "zh": self.zh, "en": self.en}  # fmt: skip


_told: Once[dict[str, Any]] = Once(2)

router = APIRouter()
_open = [permits(public=True)]


@router.get("/status", dependencies=_open)
def status_page(request: Request) -> Response:
    """Health by source, for anybody."""
    return render(request, "status.html", health=_status(request))


@router.get("/status.json", dependencies=_open)
def status_json(request: Request) -> Response:
    """The same for machines."""
    return JSONResponse(_status(request), headers={"Cache-Control": "no-cache"})


def _status(request: Request) -> dict[str, Any]:
    desk = desk_of(request)
    office, now, exercise = desk.office, desk.now(), desk.exercise_clock
    key = (office.home, office.region.id, int(now.timestamp()) // FRESH_S, exercise)
    return _told.get(
        key, lambda: status_of(office.home, office.ledger, office.region, now=now, exercise_clock=exercise)
    )


def status_of(
    home: Home, ledger: Ledger, region: Region, *, now: datetime, exercise_clock: bool = False
) -> dict[str, Any]:
    """JSON of /status.json: the worst state, a light for each part, and every source of the last day.

    Args:
        now: aware UTC.
        exercise_clock: `now` is not the real time: what others wrote by the real clock (heartbeat, time of receipt) has
            no age by it.
    """
    now = require_utc(now)
    said = _said(home.status)
    lights = [
        _cycle_light(ledger, region, now),
        _beat_light(said, None if exercise_clock else now, "watch", "值守进程", "watch"),
        _pending_light(ledger),
        _space_light(min(free_bytes(folder) for folder in (home.root, public_folder(home)) if folder.is_dir())),
        _conservation_light(ledger, said),
        *_sender_lights(_said(sender_file(home)), now),
        *_outbox_lights(ledger, now),
    ]
    found = _sources(ledger, now, exercise_clock=exercise_clock)
    worst = max((light.state for light in lights), key=RANK.index)
    if worst == OK and any(row["state"] != OK for row in found):
        worst = WATCH
    return {
        "time": iso(now),
        "bjt": f"{beijing(now):%Y-%m-%d %H:%M:%S}",
        "exercise_clock": exercise_clock,
        "region": region.id,
        "state": worst,
        "word_zh": WORDS[worst][0],
        "word_en": WORDS[worst][1],
        "lights": [light.to_json() for light in lights],
        "sources": found,
    }


def _sources(ledger: Ledger, now: datetime, *, exercise_clock: bool) -> list[dict[str, Any]]:
    found = list(sources(ledger, now - BACK))
    silent = {item.source for item in silences(found, now)}
    rows = []
    for source in found:
        state = WATCH if source.name in silent else OK
        rows.append({
            "source": source.name,
            "kind": source.kind,
            "newest": iso(source.newest),
            "bjt": f"{beijing(source.newest):%m-%d %H:%M}",
            "age_min": round((now - source.newest) / timedelta(minutes=1)),
            "received_min": (
                None if exercise_clock else max(0, round((now - source.received_at) / timedelta(minutes=1)))
            ),
            "state": state,
            "word_zh": "静默" if state == WATCH else WORDS[OK][0],
            "word_en": "silent" if state == WATCH else WORDS[OK][1],
        })  # fmt: skip
    return sorted(rows, key=lambda row: (row["state"] == OK, str(row["source"])))


def _said(path: Path) -> Mapping[str, Any]:
    """What a process last said of itself; nothing where there is no such file, or not a whole one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _beat(said: Mapping[str, Any]) -> datetime | None:
    try:
        return parse_time(str(said["time"]))
    except (KeyError, TimeError):
        return None


def _by_age(age: timedelta, late: timedelta, lost: timedelta) -> str:
    return FAULT if age > lost else WATCH if age > late else OK


def _since(age: timedelta) -> tuple[str, str]:
    minutes = max(0, round(age / timedelta(minutes=1)))
    return f"{minutes} 分钟前", f"{minutes} min ago"


def _cycle_light(ledger: Ledger, region: Region, now: datetime) -> Light:
    rows = cycles_between(ledger, region.id, now - BACK, now)
    if not rows:
        return Light("cycle", FAULT, "最新时次", "newest cycle", "近一天内没有分析时次", "no cycle within the last day")
    time = rows[-1].time
    ago_zh, ago_en = _since(now - time)
    state = _by_age(now - time, CYCLE_LATE, CYCLE_LOST)
    return Light("cycle", state, "最新时次", "newest cycle", f"{beijing(time):%H:%M}（{ago_zh}）",
                 f"{beijing(time):%H:%M} BJT ({ago_en})")  # fmt: skip


def _beat_light(said: Mapping[str, Any], now: datetime | None, key: str, zh: str, en: str) -> Light:
    time = _beat(said)
    if time is None:
        return Light(key, WATCH, zh, en, "未见心跳：未运行", "no heartbeat: not running")
    if now is None:
        return Light(key, WATCH, zh, en, "演习时钟下不判断心跳", "heartbeat not judged by the exercise clock")
    ago_zh, ago_en = _since(now - time)
    state = _by_age(now - time, HEARTBEAT_LATE, HEARTBEAT_LOST)
    return Light(key, state, zh, en, f"心跳 {ago_zh}", f"heartbeat {ago_en}")


def _pending_light(ledger: Ledger) -> Light:
    count = pending_count(ledger)
    state = WATCH if count > MANY_PENDING else OK
    return Light("pending", state, "待处理文件", "files waiting", f"{count} 个", f"{count}")


def _space_light(free: int) -> Light:
    state = FAULT if free < PAUSE_BELOW else WATCH if free < RESUME_ABOVE else OK
    told = f"{free / 2**30:.1f} GiB"
    return Light("space", state, "剩余空间", "free space", told, told)


def _conservation_light(ledger: Ledger, said: Mapping[str, Any]) -> Light:
    """As the watch counted within the last minute; counted here where no watch did."""
    names = ("received", "stored", "duplicate", "quarantined")
    if all(isinstance(said.get(name), int) for name in names) and "conservation_holds" in said:
        counts, holds = [said[name] for name in names], bool(said["conservation_holds"])
    else:
        found = conservation(ledger)
        counts, holds = [getattr(found, name) for name in names], found.holds
    received, stored, duplicate, refused = counts
    zh = f"收到 {received}，入库 {stored}，重复 {duplicate}，拒收 {refused}"
    en = f"received {received}, stored {stored}, duplicate {duplicate}, refused {refused}"
    return Light("conservation", OK if holds else FAULT, "收支平衡", "nothing lost", zh, en)


def _sender_lights(said: Mapping[str, Any], now: datetime) -> list[Light]:
    """The sender, and what it last said of the clock and of the public files; it goes by the clock of the desk."""
    lights = [_beat_light(said, now, "sender", "发送进程", "sender")]
    if "clock" in said:
        zh, en = (
            ("正常", "steady")
            if said["clock"]
            else ("时钟跳变，暂停到期处理、叫应和发送", "the clock jumped: ending, calling and sending wait")
        )
        lights.append(Light("clock", OK if said["clock"] else FAULT, "系统时钟", "clock", zh, en))
    if "public" in said:
        why = said["public"]
        zh, en = (
            (f"无法写入，内容可能已过时（{why}）", f"cannot be written, may be out of date ({why})")
            if why
            else ("已更新", "up to date")
        )
        lights.append(Light("public", FAULT if why else OK, "公开文件", "public files", zh, en))
    return lights


def _outbox_lights(ledger: Ledger, now: datetime) -> list[Light]:
    counts = count_outbox(ledger, since=now - BACK)
    overdue = now - counts.due_at if counts.due_at else timedelta(0)
    state = max(WATCH if counts.failing else OK, _by_age(overdue, OVERDUE_LATE, OVERDUE_LOST), key=RANK.index)
    waiting = counts.waiting + counts.sending
    late_zh, late_en = ("，已逾期无人发送", ", overdue: is a sender running?") if overdue > OVERDUE_LATE else ("", "")
    return [
        Light("outbox", state, "待发送", "deliveries waiting",
              f"{waiting} 条，其中 {counts.failing} 条曾发送失败{late_zh}",
              f"{waiting}, of them {counts.failing} failed before{late_en}"),
        Light("undelivered", FAULT if counts.expired else OK, "一天内过期未送达", "not delivered in time, last day",
              f"{counts.expired} 条", f"{counts.expired}"),
    ]  # fmt: skip

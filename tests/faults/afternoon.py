"""B13 over hours: an afternoon's whole feed, broken and late in part, through `wx watch` faster than it happens.

`python -m tests.faults.afternoon --hours 3 --speed 10 [--scale small] [--folder DIR]`
"""

import argparse
import json
import multiprocessing
import os
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from tests.faults.harness import Outcome, Tally, percentile, show, timed
from wxcore.landing.ledger import conservation, cycles_between, pending_count, warnings_before
from wxcore.landing.ledger.warnings import DRAFT
from wxcore.pipeline.catchup import CUT_OFF
from wxcore.pipeline.home import Home
from wxcore.pipeline.watch import Plan, watch
from wxcore.pipeline.watch_cycles import Told
from wxcore.region import load_region
from wxcore.simulate.feed import FULL, SCALES, Made, plan, send, setting_of
from wxcore.simulate.manifest import MANIFEST, manifest_text
from wxcore.simulate.mess import EMPTY, FLIPPED, KINDS, TRUNCATED, Mess, disturb, missing
from wxcore.simulate.place import write_place
from wxcore.simulate.planned import Scale, Setting
from wxcore.times import CYCLE, cycle_of, iso, parse_time

REGION, START = "chongqing", datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
LATE, DUPLICATED, BROKEN = 0.05, 0.01, 0.02
SPEED = 10.0
POLL_S = 0.5
SAMPLE_S = 10.0
TAIL = timedelta(minutes=15)
"""The watch goes on for so long after the last file, and until none waits to be decoded, at most LONGEST_TAIL."""
LONGEST_TAIL = timedelta(minutes=60)
JOIN_S = 60.0
BEHIND_S = 1.0
"""How far delivery may fall behind its clock [s of wall clock] [our choice]: else it did not go that fast."""
MAIN_MIB, LARGEST_MIB, TREE_MIB = 64.0, 128.0, 256.0
"""What the watch's own process, the largest of its children, and all together may grow by over the second half, by a
straight line [MiB] [our choice]: children come and go, and a cycle's is at its largest for seconds."""
MOST_MIB = 2560.0
"""Of any one process [MiB]: PERFORMANCE.md, 2.5 GB for a cycle."""
SAMPLES = 7
"""Fewer in the second half tell no growth."""

MIB = 2**20


@dataclass(frozen=True)
class Post:
    """Where the watch works; plain and picklable."""

    folder: Path
    region: str
    start: datetime
    speed: float

    @property
    def arriving(self) -> Path:
        return self.folder / "arriving"

    @property
    def meta(self) -> Path:
        return self.folder / "station_meta"

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    @property
    def told(self) -> Path:
        return self.folder / "told.jsonl"


@dataclass(frozen=True)
class Clock:
    """Time that goes `speed` times as fast since `began` (of the monotonic clock, which all processes share)."""

    start: datetime
    speed: float
    began: float

    def __call__(self) -> datetime:
        return self.start + timedelta(seconds=(time.monotonic() - self.began) * self.speed)


@dataclass
class Memory:
    """Memory [bytes] by process every SAMPLE_S, of the watch's (`root`) and all its descendants: proportional set size,
    which counts a page that several share once in all."""

    root: int = 0
    samples: list[dict[int, int]] = field(default_factory=list)

    @property
    def series(self) -> dict[str, list[int]]:
        """Over time: of the watch's process, of the largest of the others, of all."""
        return {
            "watch": [sample.get(self.root, 0) for sample in self.samples],
            "largest": [max((size for pid, size in sample.items() if pid != self.root), default=0)
                        for sample in self.samples],
            "all": [sum(sample.values()) for sample in self.samples],
        }  # fmt: skip


def _watch(post: Post) -> None:
    """In the child: a watch on the fast clock, which writes down what it tells; its first line is when it began."""
    stop, began = threading.Event(), time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock = Clock(post.start, post.speed, began)
    with post.told.open("w", encoding="utf-8", buffering=1) as file:
        file.write(json.dumps({"began": began}) + "\n")

        def tell(told: Told) -> None:
            kept = {key: told.data[key] for key in ("time", "reanalysis", "status", "file", "reason", "source")
                    if key in told.data}  # fmt: skip
            file.write(json.dumps({"now": iso(clock()), "kind": told.kind, "en": told.en[:300], **kept}) + "\n")

        region = load_region(post.region, root=post.meta)
        watch(Plan((post.arriving,), POLL_S), post.home, region, tell=tell, stop=stop, now=clock)


def _prepare(post: Post, setting: Setting, mess: Mess, jobs: int) -> tuple[list[Made], float]:
    """Make all files; each, and each version of one that grows, is kept under its number. Files, seconds."""
    write_place(setting.region, post.meta)
    post.arriving.mkdir(parents=True)
    (post.folder / "store").mkdir()
    planned, made, began = plan(setting), list[Made](), time.monotonic()
    files = disturb(planned, mess)
    for number, item in enumerate(send(setting, post.folder / "feed", files, jobs=jobs, mess=mess)):
        (post.folder / "feed" / item.sent.path).rename(_stored(post, number))
        made.append(item)
    (post.folder / MANIFEST).write_text(manifest_text(made, missing(planned, files)))
    return made, time.monotonic() - began


def _stored(post: Post, number: int) -> Path:
    return post.folder / "store" / f"{number:06d}"


def _deliver(post: Post, made: Sequence[Made], clock: Clock, watching: Any) -> float:
    """Let each file appear when it is time; how far behind time the worst was [s of wall clock]."""
    behind = 0.0
    for number, item in enumerate(made):
        due = clock.began + (item.sent.arrives - clock.start).total_seconds() / clock.speed
        time.sleep(max(0.0, due - time.monotonic()))
        assert watching.is_alive(), "the watch has ended"
        behind = max(behind, time.monotonic() - max(due, clock.began))
        path = post.arriving / item.sent.path
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = path.with_name(f".{path.name}.part")
        os.link(_stored(post, number), hidden)
        hidden.replace(path)
    return behind


def _tail(post: Post, clock: Clock, watching: Any) -> None:
    """Until what is left to do is done."""
    ledger, end = post.home.ledger(), clock()
    while clock() < end + TAIL or (pending_count(ledger) and clock() < end + LONGEST_TAIL):
        assert watching.is_alive(), "the watch has ended"
        time.sleep(1)


def _sample(memory: Memory, stop: threading.Event) -> None:
    while not stop.wait(SAMPLE_S):
        memory.samples.append(dict(_sizes(memory.root)))


def _sizes(root: int) -> Iterator[tuple[int, int]]:
    """(process, proportional set size [bytes]) of a process and all its descendants."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    for pid in sorted(family):
        with suppress(OSError):  # it has ended
            rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
            yield from ((pid, int(row[1]) * 1024) for row in rows if row[0] == "Pss:")


def _halves(sizes: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    return sizes[: len(sizes) // 2], sizes[len(sizes) // 2 :]


def _grown_mib(sizes: Sequence[int]) -> float:
    """What the second half grew by, along the straight line through it [MiB]."""
    half = np.array(_halves(sizes)[1], "f8") / MIB
    return float(np.polyfit(np.arange(half.size), half, 1)[0] * (half.size - 1)) if half.size > 2 else 0.0


def _check_files(post: Post, made: Sequence[Made], tally: Tally) -> dict[str, float]:
    """Every file that was sent is in the ledger once for each time; the whole are stored, the broken are not."""
    counts = conservation(post.home.ledger())
    tally.add("conservation", [] if counts.holds and not counts.pending else [str(counts)])
    with closing(sqlite3.connect(post.home.root / "ledger.sqlite")) as base:
        receipts = base.execute("select name, sha256 from receipts").fetchall()
        status = {
            sha: (state, reason) for sha, state, reason in base.execute("select sha256, status, reason from files")
        }
    newest = {item.sent.path: item.sha256 for item in made}
    received = Counter(Path(name).name for name, _ in receipts)
    sent = Counter(Path(item.sent.path).name for item in made)
    # A version of a file that grows may be replaced by the next before anybody has looked.
    replaced = sum(
        item.sha256 not in status and newest[item.sent.path] != item.sha256 and bool(item.size) for item in made
    )
    differ = [f"{name}: sent {sent[name]}, received {received[name]}" for name in sorted(sent | received)
              if sent[name] != received[name]]  # fmt: skip
    short = (sent - received).total()
    unexplained = short != replaced or (received - sent).total()
    tally.add("each file is received as often as it was sent", differ[:20] if unexplained else [])
    kinds = Counter[str]()
    for number, item in enumerate(made):
        state, reason = status.get(item.sha256, ("quarantined" if item.sent.broken == EMPTY else "absent", ""))
        if state == "absent" and newest[item.sent.path] != item.sha256:
            continue
        fair = {"stored"} if not item.sent.broken else {"quarantined"}
        fair |= {"stored"} if item.sent.broken in {FLIPPED, TRUNCATED} else set()
        kinds[f"{item.sent.broken or 'whole'} {state}"] += 1
        what = f"{number:06d} {item.sent.path} ({item.sent.broken or 'whole'})"
        tally.add(what, [] if state in fair else [f"{state} {reason}"])
    found = {"received": counts.received, "stored": counts.stored, "duplicate": counts.duplicate,
             "quarantined": counts.quarantined, "replaced unseen": replaced}  # fmt: skip
    broken = {name: count for name, count in sorted(kinds.items()) if name.split()[0] in KINDS}
    return {**{key: float(value) for key, value in found.items()}, **broken}


def _check_cycles(post: Post, setting: Setting, tally: Tally) -> dict[str, float]:
    """Each slot of the afternoon was run, first before the cut-off of drafts; how late."""
    told = _told(post)
    ran: dict[datetime, list[datetime]] = {}
    for item in told:
        if item["kind"] == "cycle":
            ran.setdefault(parse_time(item["time"]), []).append(parse_time(item["now"]))
    recorded = {row.time for row in cycles_between(post.home.ledger(), post.region, setting.start)}
    lateness, slot = list[float](), cycle_of(setting.start) + CYCLE
    while slot <= setting.end:
        faults = [] if slot in ran and slot in recorded else ["not run"]
        if slot in ran:
            late = min(ran[slot]) - slot
            lateness.append(late / timedelta(minutes=1))
            faults += [f"first run {lateness[-1]:.0f} min late: drafts nothing"] if late > CUT_OFF else []
        tally.add(f"cycle {iso(slot)}", faults)
        slot += CYCLE
    tally.add("slots", [] if lateness else ["none was run"])
    failed = [item["en"] for item in told if item["kind"] in {"failed", "paused"}]
    tally.add("no cycle failed", failed[:5])
    return {
        "slots": len(lateness), "runs": sum(map(len, ran.values())),
        "lateness p50 [min]": round(percentile(lateness, 50), 1),
        "lateness p95 [min]": round(percentile(lateness, 95), 1), "lateness most [min]": max(lateness, default=0.0),
        "past the cut-off": sum(late > CUT_OFF / timedelta(minutes=1) for late in lateness),
    }  # fmt: skip


def _check_drafts(post: Post, tally: Tally) -> dict[str, float]:
    """There are drafts, and no draft twice: neither its id, nor the same hazard, districts and begin."""
    rows = warnings_before(post.home.ledger(), post.region, datetime(2100, 1, 1, tzinfo=UTC))
    drafts = [json.loads(row.json) for row in rows if row.state == DRAFT]
    ids = Counter(draft["id"] for draft in drafts)
    same = Counter(
        (draft["hazard"], draft["effective"], *sorted(place["adcode"] for place in draft["districts"]))
        for draft in drafts
    )
    tally.add("there are drafts", [] if drafts else ["none"])
    tally.add("draft ids", [str(key) for key, count in ids.items() if count > 1])
    tally.add("drafts", [str(key) for key, count in same.items() if count > 1])
    return {"drafts": len(drafts), "withdrawn": len(rows) - len(drafts)}


def _check_memory(memory: Memory, tally: Tally) -> dict[str, float]:
    """Neither the watch, nor the largest of its children, nor all together grow, and none is too large."""
    figures: dict[str, float] = {}
    for (name, sizes), limit in zip(memory.series.items(), (MAIN_MIB, LARGEST_MIB, TREE_MIB), strict=True):
        first, second = (round(percentile([size / MIB for size in half], 50)) for half in _halves(sizes))
        grown, most = _grown_mib(sizes), max(sizes, default=0) / MIB
        faults = [f"{grown:+.0f} MiB in the second half"] if grown > limit else []
        faults += [f"{most:.0f} MiB at most, limit {MOST_MIB:.0f}"] if name != "all" and most > MOST_MIB else []
        faults += [] if min(_halves(sizes)[1], default=0) else ["not always measured"]
        tally.add(f"memory, {name}", faults)
        figures |= {f"{name}, first half [MiB]": first, f"{name}, second half [MiB]": second,
                    f"{name}, most [MiB]": round(most), f"{name}, grown [MiB]": round(grown, 1)}  # fmt: skip
    count = len(_halves(memory.series["watch"])[1])
    tally.add("samples of memory", [] if count >= SAMPLES else [f"{count} in the second half, {SAMPLES} needed"])
    return figures


def _told(post: Post) -> list[dict[str, Any]]:
    """What the watch told, without the line of when it began."""
    return [json.loads(line) for line in post.told.read_text(encoding="utf-8").splitlines()[1:]]


def _clock_of(post: Post, watching: Any) -> Clock:
    while not (post.told.exists() and post.told.read_text().endswith("\n")):
        assert watching.is_alive(), "the watch did not begin"
        time.sleep(0.05)
    began = float(json.loads(post.told.read_text().splitlines()[0])["began"])
    return Clock(post.start, post.speed, began)


def run(hours: float, seed: int, folder: Path, *, scale: Scale = FULL, speed: float = SPEED, jobs: int = 2) -> Outcome:
    """The afternoon: make it, feed it, check it; `folder`/afternoon.json holds the figures and the memory."""
    tally = Tally()
    region = load_region(REGION)
    setting = setting_of(region, scale, start=START, hours=hours, seed=seed)
    post = Post(folder, REGION, START, speed)
    made, took = _prepare(post, setting, Mess(LATE, 0.0, DUPLICATED, BROKEN, seed), jobs)
    watching = multiprocessing.get_context("spawn").Process(target=_watch, args=(post,))
    watching.start()
    stop = threading.Event()
    assert watching.pid is not None
    memory = Memory(watching.pid)
    sampling = threading.Thread(target=_sample, args=(memory, stop))
    sampling.start()
    try:
        clock = _clock_of(post, watching)
        behind = _deliver(post, made, clock, watching)
        _tail(post, clock, watching)
    finally:
        stop.set()
        sampling.join()
        watching.terminate()
        watching.join(JOIN_S)
    tally.add("the watch stops when told", [] if watching.exitcode == 0 else [f"exit code {watching.exitcode}"])
    tally.add("delivery keeps its clock", [f"{behind:.1f} s behind"] if behind > BEHIND_S else [])
    tally.add("files", [] if made else ["none was sent"])
    figures = {
        "files": len(made), "simulated x real time": round(hours * 3600 / took, 1), "speed": speed,
        "delivered late at most [s]": round(behind, 1),
    }  # fmt: skip
    figures |= _check_files(post, made, tally) | _check_cycles(post, setting, tally)
    figures |= _check_drafts(post, tally) | _check_memory(memory, tally)
    words = {"figures": figures, "failures": tally.failures, "memory": memory.series, "sample_s": SAMPLE_S,
             "by process": memory.samples}  # fmt: skip
    (folder / "afternoon.json").write_text(json.dumps(words, indent=1))
    return tally.outcome("B13 afternoon", figures)


def afternoon(n: int, seed: int, folder: Path) -> Outcome:
    """B13: `n` hours at full scale, ten times as fast as they happen."""
    return run(n, seed, folder)


def main() -> int:
    """By itself; whether everything held is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.afternoon", description=__doc__)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--speed", type=float, default=SPEED)
    parser.add_argument("--scale", choices=tuple(SCALES), default=FULL.name)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None, help="new; kept, a temporary one otherwise")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wx-afternoon-") as temporary:
        folder = asked.folder or Path(temporary)
        scale = SCALES[asked.scale]
        outcome = timed(lambda: run(asked.hours, asked.seed, folder, scale=scale, speed=asked.speed, jobs=asked.jobs))
    show([outcome], Console())
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main())

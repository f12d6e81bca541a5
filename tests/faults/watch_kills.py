"""B1 on `wx watch`: `kill -9` again and again while files arrive; in the end everything must be as if undisturbed."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from tests.faults.crashes import last_words
from tests.faults.harness import Outcome, Tally, percentile, recovery_limit_s
from tests.faults.io_faults import COUNT, EIO, ENOSPC, HOOK, KILL, KILL_BOTH
from tests.faults.scene import REGION, packed, tiny_region, volume_at, write_cycle
from tests.faults.state import State, state
from tests.faults.zygote import Ended, Job, Zygote, zygote
from wxcore.pipeline.catchup import CUT_OFF
from wxcore.pipeline.home import Home
from wxcore.pipeline.maintain import check_home
from wxcore.region import Region
from wxcore.times import CYCLE, latest_cycle

POLL_S = 0.05
BACK_H = 100
"""`--back-h`: how old the cycles of a past scene may be [h]; PAST is how old they are."""
PAST = timedelta(days=3)

KILLS_A_HOME = 5
PAUSE_S = 1.5
"""Longest time between two arrivals [s]."""

RUNS = 3
"""Runs of a cycle in an undisturbed watch: the newest, the one before it, and the newest again, whose past is new."""

PIECE_S = 0.15
"""Longest pause between two pieces of a file that is written slowly [s]: its half is often taken for complete."""

KINDS = ("at once", "alone", "alone at a call", "cycle and watch at a call", "cycle and watch", "cycle at a call")
"""What dies where: the watch and all it started, at a random instant; the watch alone, so that the process of its
cycle outlives it, at a random instant or at an I/O point; both of them at an I/O point of the cycle's process, or up to
a cycle's time after its first; the cycle's process alone, of which the watch must make another."""

LIMIT_S = 180.0
"""A watch that has not ended by then hangs [s]; the limit of a recovery is held against the last one of a home only."""

CYCLE_S = 1.5
"""About how long the process of a cycle works [s]."""

SITECUSTOMIZE = "from tests.faults.io_faults import install_hook\ninstall_hook()\n"


@dataclass(frozen=True)
class Source:
    """What a source delivers, and what must come of it.

    Attributes:
        born: time of the first of two cycles.
        slowly: files that may be written in pieces, and so get another time of publication.
        seconds, points, cycle_points: of an undisturbed watch: how long, and its I/O points and its cycles'.
    """

    born: datetime
    files: tuple[Path, ...]
    slowly: frozenset[Path]
    expected: State
    seconds: float
    points: list[str]
    cycle_points: list[str]


@dataclass
class Place:
    """What the trials share."""

    folder: Path
    region: Region
    maker: Zygote
    sources: dict[bool, Source] = field(default_factory=dict)
    number: int = 0
    restarts_s: list[float] = field(default_factory=list)

    @property
    def meta(self) -> Path:
        """The station_meta folder."""
        return self.folder / "meta"

    def new(self, name: str) -> Path:
        """A folder of its own."""
        self.number += 1
        folder = self.folder / f"{self.number:04d}-{name}"
        folder.mkdir()
        return folder

    def job(self, incoming: Path, home: Path, **more: object) -> Job:
        """A watch of `incoming` until nothing is left to do."""
        words = ["watch", str(incoming), "--until-idle", "--poll-s", str(POLL_S), "--back-h", str(BACK_H)]
        words += ["--region", REGION, "--out", str(home), "--lang", "en"]
        return replace(Job(words, str(self.meta), folder=str(home), limit_s=LIMIT_S), **more)  # type: ignore[arg-type]

    def hook(self, home: Path, **words: object) -> dict[str, str]:
        """Environment in which every Python that a watch starts has its calls wrapped."""
        folder = self.folder / "hook"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        root = Path(__file__).parents[2]
        return {"PYTHONPATH": f"{folder}{os.pathsep}{root}", HOOK: json.dumps({"folder": str(home), **words})}


def watch_kills(n: int, seed: int, folder: Path) -> Outcome:
    """`n` kills over homes of a past and of a present scene; `check` after each, and the same state in the end."""
    rng, tally, homes = np.random.default_rng(seed), Tally(), 0
    with zygote() as maker:
        place = Place(folder, tiny_region(folder / "meta"), maker)
        while tally.tried < n:
            source = source_of(place, present=homes % 2 == 0)
            for recipe, faults in one_home(place, source, rng, min(KILLS_A_HOME, n - tally.tried)):
                tally.add(f"seed {seed}, home {homes}: {recipe}", faults)
            homes += 1
    figures = {"homes": homes, "restart p100 [s]": round(percentile(place.restarts_s, 100), 1)}
    return tally.outcome("B1 kill -9 of wx watch", figures)


def watch_calls_fail(n: int, seed: int, folder: Path) -> Outcome:
    """B2 on `wx watch`: one call of the watch, or of the process of its cycles, fails; it goes on by itself."""
    rng, tally = np.random.default_rng(seed), Tally()
    with zygote() as maker:
        place = Place(folder, tiny_region(folder / "meta"), maker)
        for number in range(n):
            source = source_of(place, present=number % 4 < 2)
            home = place.new("home")
            incoming = home / "in"
            incoming.mkdir()
            for path in source.files:
                deliver(path, incoming, home)
            mode = (EIO, ENOSPC)[int(rng.integers(2))]
            job = place.job(incoming, home / "home")
            if number % 2:
                at = int(rng.integers(1, len(source.cycle_points) + 1))
                job = replace(job, env=place.hook(home / "home", mode=mode, at=at))
                what = f"{mode} at {at} of a cycle ({source.cycle_points[at - 1]})"
            else:
                at = _early(source.points, rng)
                job = replace(job, mode=mode, at=at)
                what = f"{mode} at {at} ({source.points[at - 1]})"
            ended = maker.run(job)
            faults = [] if ended.code == 1 and "Traceback" not in ended.err else _bad_end(ended)
            faults += _in_the_end(place, source, incoming, home / "home")
            tally.add(f"seed {seed}, {number}: {what}", faults)
            if not faults:
                shutil.rmtree(home)
    return tally.outcome(
        "B2 fail a call of wx watch", {"restart p100 [s]": round(percentile(place.restarts_s, 100), 1)}
    )


def source_of(place: Place, *, present: bool) -> Source:
    """The files of a scene; those of a present one are made again before they come near the cut-off for drafts."""
    known = place.sources.get(present)
    now = datetime.now(UTC)
    if known is None or (present and now - known.born > CUT_OFF - timedelta(minutes=5)):
        place.sources[present] = known = _make(place, latest_cycle(now) - (CYCLE if present else PAST))
        if present != bool(known.expected.drafts) or len(known.expected.cycles) != 2:
            raise AssertionError(f"this scene has nothing to lose: {known.expected}")
    return known


def _make(place: Place, born: datetime) -> Source:
    """Two cycles; of the first a corrected volume, of the second one twice, and a broken file."""
    folder, region = place.new("source"), place.region
    cycles = [
        path
        for number in range(2)
        for path in write_cycle(region, folder, born + number * CYCLE, seed=1 + 10 * number, born=born)
    ]
    corrected = folder / "corrected" / cycles[0].name
    corrected.parent.mkdir()
    volume = volume_at(region.radars[0], born - CYCLE + timedelta(seconds=20), seed=77, born=born)
    corrected.write_bytes(packed(replace(volume, sweeps=volume.sweeps[:-1])))
    twin, broken = folder / "twin.bin", folder / "broken.bin"
    twin.write_bytes(cycles[3].read_bytes())
    broken.write_bytes(cycles[1].read_bytes()[:2000] + bytes(2000))
    files = (*cycles, corrected, twin, broken)
    published = time.time() - 120
    for path in files:
        os.utime(path, (published, published + 60 * (path == corrected)))
    unknown = State({}, (), "", (), (), ())
    return _undisturbed(place, Source(born, files, frozenset({*cycles[1:], twin}), unknown, 0, [], []))


def _undisturbed(place: Place, source: Source) -> Source:
    folder = place.new("undisturbed")
    incoming, home, log = folder / "in", folder / "home", folder / "points"
    incoming.mkdir()
    for path in source.files:
        deliver(path, incoming, folder)
    env = place.hook(home, mode=COUNT, at=0, log=str(log))
    ended = place.maker.run(place.job(incoming, home, mode=COUNT, env=env))
    assert ended.code == 1, f"one file is broken, and nothing else is wrong: {ended.err}"
    found = state(Home(home), REGION, source.files)
    return replace(
        source, expected=found, seconds=ended.seconds, points=ended.points, cycle_points=log.read_text().splitlines()
    )


def deliver(path: Path, incoming: Path, outside: Path, way: str = "renamed", pauses_s: Sequence[float] = ()) -> None:
    """Bring a file, under its name and with its time.

    Args:
        way: "renamed" from a temporary name in its folder, "moved" in from `outside`, or "slowly": written in pieces
            with these pauses [s] after each.
    """
    target = incoming / ("corrected" if path.parent.name == "corrected" else "") / path.name
    target.parent.mkdir(exist_ok=True)
    if way == "slowly":
        data, count = path.read_bytes(), len(pauses_s)
        with target.open("wb", buffering=0) as file:
            for number, pause in enumerate(pauses_s):
                file.write(data[len(data) * number // count : len(data) * (number + 1) // count])
                time.sleep(pause)
        return
    part = (target.parent if way == "renamed" else outside) / f"{path.name}.part"
    shutil.copy2(path, part)
    part.rename(target)


def feed(source: Source, numbers: Iterable[int], incoming: Path, rng: np.random.Generator) -> threading.Thread:
    """Bring some of the files, in another thread."""
    steps = []
    for number in numbers:
        path = source.files[number]
        way = str(rng.choice(["renamed", "moved", "slowly"] if path in source.slowly else ["renamed", "moved"]))
        steps.append((path, way, rng.uniform(0, PIECE_S, 3).tolist(), float(rng.uniform(0, PAUSE_S))))

    def bring() -> None:
        for path, way, pieces_s, pause_s in steps:
            time.sleep(pause_s)
            deliver(path, incoming, incoming.parent, way, pieces_s)

    thread = threading.Thread(target=bring)
    thread.start()
    return thread


def one_home(place: Place, source: Source, rng: np.random.Generator, wanted: int) -> list[tuple[str, list[str]]]:
    """Kill the watch of one home at most `wanted` times, each time with files that are new; what did not hold after it.

    What does not hold in the end is held against the last one.
    """
    folder = place.new("home")
    incoming, home = folder / "in", folder / "home"
    incoming.mkdir()
    kills: list[tuple[str, list[str]]] = []
    feeders = []
    for numbers in np.array_split(rng.permutation(len(source.files)), wanted):
        feeders.append(feed(source, numbers.tolist(), incoming, rng))
        recipe, job = _disturbed(place, source, incoming, home, rng)
        ended = place.maker.run(job)
        killed = ended.code == -9 or (folder / "killed").exists()
        (folder / "killed").unlink(missing_ok=True)
        faults = [] if killed else _bad_end(ended)
        if killed and ended.code != 0:
            faults += checked(home, place.region, folder / "copy", copied=not job.leave)
        if killed or faults:
            kills.append((recipe, faults))
    for feeder in feeders:
        feeder.join()
    kills = kills or [("not killed at all", [])]
    kills[-1][1].extend(_in_the_end(place, source, incoming, home))
    if not kills[-1][1]:
        shutil.rmtree(home)
    return kills


def _disturbed(place: Place, source: Source, incoming: Path, home: Path, rng: np.random.Generator) -> tuple[str, Job]:
    kind = str(rng.choice(KINDS))
    job = place.job(incoming, home)
    if kind in {"at once", "alone"}:
        after = float(rng.uniform(0.05, source.seconds))
        return f"{kind} after {after:.2f} s", replace(job, kill_s=after, leave=kind == "alone")
    if kind == "alone at a call":
        at = _early(source.points, rng)
        return f"{kind}, {at} ({source.points[at - 1]})", replace(job, mode=KILL, at=at, leave=bool(rng.integers(2)))
    at = 1 if kind == "cycle and watch" else int(rng.integers(1, len(source.cycle_points) // RUNS + 1))
    delay_s = float(rng.uniform(0, CYCLE_S)) if kind == "cycle and watch" else 0.0
    mode = KILL if kind == "cycle at a call" else KILL_BOTH
    env = place.hook(home, mode=mode, at=at, delay_s=delay_s, mark=str(home.parent / "killed"))
    return f"{kind}, {delay_s:.2f} s after {at} ({source.cycle_points[at - 1]})", replace(job, env=env)


def _early(points: Sequence[str], rng: np.random.Generator) -> int:
    """One of the points, rather an early one: most are those of status.json."""
    return int(np.exp(rng.uniform(0, np.log(len(points)))))


def _bad_end(ended: Ended) -> list[str]:
    if ended.expired:
        return [f"the watch hangs: {last_words(ended)}"]
    good = ended.code in {0, 1} and "Traceback" not in ended.err
    return [] if good else [f"the watch ended with {ended.code}: {last_words(ended)}"]


def checked(home: Path, region: Region, copy: Path, *, copied: bool) -> list[str]:
    """What `wx archive check` finds; in a copy, for to open a ledger mends it, where nothing writes any more."""
    if not (home / "archive").exists():
        return []
    shutil.rmtree(copy, ignore_errors=True)
    if copied:
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns("reserve"))
    try:
        found = check_home(Home(copy if copied else home), region)
    except Exception as error:  # noqa: BLE001 (a check that fails is what this looks for)
        return [f"the check fails: {type(error).__name__}: {str(error)[:200]}"]
    return [f"check: {item.file} {item.en}" for item in found.faults]


def _in_the_end(place: Place, source: Source, incoming: Path, home: Path) -> list[str]:
    ended = place.maker.run(place.job(incoming, home, leave=True))
    place.restarts_s.append(ended.seconds)
    faults = _bad_end(ended)
    if ended.seconds > recovery_limit_s():
        faults.append(f"the last watch took {ended.seconds:.1f} s")
    try:
        faults += state(Home(home), REGION, source.files).differences(source.expected)
    except Exception as error:  # noqa: BLE001 (an archive or ledger that does not open is what this looks for)
        faults.append(f"what is left does not open: {type(error).__name__}: {str(error)[:200]}")
    return faults + checked(home, place.region, home.parent / "copy", copied=False)

"""B1 and B2: end the process, or fail one call, anywhere in a run; a plain second run must put everything right."""

import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.faults.harness import Outcome, Tally, percentile, recovery_limit_s
from tests.faults.io_faults import COUNT, EIO, ENOSPC, KILL
from tests.faults.scene import REGION, tiny_region, write_scene
from tests.faults.state import State, state
from tests.faults.zygote import Ended, Job, Zygote, zygote
from wxcore.pipeline.home import Home
from wxcore.pipeline.run import run

Command = Callable[[Sequence[Path], Path], list[str]]
"""Source files and home to the arguments of `wx`."""


def run_command(sources: Sequence[Path], home: Path) -> list[str]:
    """`wx run` of these files."""
    return ["run", *map(str, sources), "--region", REGION, "--out", str(home), "--direct", "--lang", "en"]


@dataclass(frozen=True)
class Start:
    """Where a trial begins: a home (absent: a first start), the files to come, and what must be there in the end."""

    title: str
    home: Path | None
    new: list[Path]
    all: list[Path]
    expected: State


@dataclass(frozen=True)
class Bench:
    """What the trials share."""

    folder: Path
    meta: Path
    starts: tuple[Start, ...]
    command: Command
    numbers: Iterator[int] = field(default_factory=itertools.count)


def bench(folder: Path, command: Command = run_command) -> Bench:
    """Two beginnings: an empty home, and one that holds a cycle already."""
    meta = folder / "meta"
    region = tiny_region(meta)
    first, second = write_scene(region, folder / "in", 2)
    one, two = Home(folder / "one"), Home(folder / "two")
    run(first, one, region)
    shutil.copytree(one.root, two.root)
    run(second, two, region)
    both = [*first, *second]
    starts = (
        Start("first cycle", None, first, first, state(one, REGION, first)),
        Start("second cycle", one.root, second, both, state(two, REGION, both)),
    )
    return Bench(folder, meta, starts, command)


def count_points(at: Bench, start: Start, maker: Zygote) -> tuple[list[str], float]:
    """The I/O points of an undisturbed run, and its seconds."""
    home = _fresh(at, start, "count")
    ended = maker.run(Job(at.command(start.new, home), str(at.meta), folder=str(home), mode=COUNT))
    assert ended.code == 0, ended.err
    return ended.points, ended.seconds


def _fresh(at: Bench, start: Start, name: str) -> Path:
    """A home of its own: Icechunk still reads in the background when a trial is over."""
    home = at.folder / f"home-{name}-{next(at.numbers)}"
    if start.home is not None:
        shutil.copytree(start.home, home)
    else:
        home.mkdir()
    return home


def trial(at: Bench, start: Start, maker: Zygote, *, mode: str, point: int = 0, kill_s: float = -1.0) -> list[str]:
    """One fault and one undisturbed run after it; what does not hold then."""
    home = _fresh(at, start, "trial")
    words, meta = at.command(start.new, home), str(at.meta)
    fault = maker.run(Job(words, meta, folder=str(home), mode=mode, at=point, kill_s=kill_s))
    found = [] if mode in {"", KILL} else _unclean(fault)
    again = maker.run(Job(words, meta))
    if again.code != 0 or again.expired:
        found.append(f"the run after it ended with {again.code}: {last_words(again)}")
    if again.seconds > recovery_limit_s():
        found.append(f"the run after it took {again.seconds:.1f} s")
    try:
        found += state(Home(home), REGION, start.all).differences(start.expected)
    except Exception as error:  # noqa: BLE001 (an archive or ledger that does not open is what this looks for)
        found.append(f"what is left does not open: {type(error).__name__}: {str(error)[:200]}")
    return found


def _unclean(ended: Ended) -> list[str]:
    """A call that failed must end in good order: exit code 0 or 1 and no traceback."""
    if ended.expired:
        return ["the run with the fault hangs"]
    if ended.code not in {0, 1} or "Traceback" in ended.err:
        return [f"the run with the fault ended with {ended.code}: {last_words(ended)}"]
    return []


def last_words(ended: Ended) -> str:
    """The line of what it said that tells most."""
    lines = [line for line in (ended.err or ended.out).strip().splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line and not line.startswith((" ", "During"))] or lines
    return telling[-1][:300] if telling else "nothing said"


def every_call_fails(n: int, seed: int, folder: Path) -> Outcome:
    """B2: fail the k-th I/O call of a run, for `n` values of k spread over all of them (all where n is large)."""
    tally = Tally()
    at = bench(folder)
    with zygote() as maker:
        seconds = []
        total = 0
        for start in at.starts:
            points, took = count_points(at, start, maker)
            seconds.append(took)
            total += len(points)
            for index, place in enumerate(_spread(len(points), n // len(at.starts), seed)):
                mode = (EIO, ENOSPC)[(index + seed) % 2]
                what = f"{start.title}, {mode} at {place} of {len(points)} ({points[place - 1]})"
                tally.add(what, trial(at, start, maker, mode=mode, point=place))
    return tally.outcome("B2 fail the N-th call", {"points": total, "run [s]": round(max(seconds), 2)})


def kills(n: int, seed: int, folder: Path, command: Command = run_command) -> Outcome:
    """B1: `kill -9`, half of them at I/O points, half at random instants."""
    rng, tally = np.random.default_rng(seed), Tally()
    at = bench(folder, command)
    with zygote() as maker:
        counted = [count_points(at, start, maker) for start in at.starts]
        places = [_spread(len(points), -(-n // 4), seed) for points, _ in counted]
        for number in range(n):
            which = number % len(at.starts)
            start, (points, took) = at.starts[which], counted[which]
            step = number // len(at.starts)
            if step % 2:
                after = float(rng.uniform(0, took * 1.1))
                tally.add(f"{start.title}, killed after {after:.3f} s", trial(at, start, maker, mode="", kill_s=after))
            else:
                place = places[which][(step // 2) % len(places[which])]
                what = f"{start.title}, killed at {place} of {len(points)} ({points[place - 1]})"
                tally.add(what, trial(at, start, maker, mode=KILL, point=place))
    took_s = [took for _, took in counted]
    return tally.outcome("B1 kill -9", {"run p100 [s]": round(percentile(took_s, 100), 2)})


def _spread(total: int, wanted: int, seed: int) -> list[int]:
    """`wanted` places of 1..total, evenly spread, begun at another place for another seed; all where it is enough."""
    if wanted >= total:
        return list(range(1, total + 1))
    step = total / max(1, wanted)
    offset = (seed % 97) / 97 * step
    return sorted({1 + int(offset + k * step) % total for k in range(max(1, wanted))})

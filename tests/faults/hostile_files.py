"""A2 to A5, A12, A13 and B13: files that hang, crash, burst, mislead or are not finished, through the real ingest."""

import gzip
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np

from tests.faults.harness import KILL_S, Outcome, Tally, percentile
from tests.faults.mutants import timed_files
from tests.faults.scene import START, packed, tiny_region, volume_at
from tests.faults.seeds import small_seeds
from tests.landing import bad_readers, hostile, test_names
from tests.radar import test_xradar_door
from wxcore.errors import Reason
from wxcore.landing import guard
from wxcore.landing.arrivals import Seen, poll, take
from wxcore.landing.guard import close_guard
from wxcore.landing.ledger import Conservation, conservation
from wxcore.landing.unpack import CAP_BYTES
from wxcore.pipeline.formats import FORMATS
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import Offered, decide_pending, ingest, take_in
from wxcore.pipeline.result import DUPLICATE, QUARANTINED, STORED, Input
from wxcore.radar.xradar_door import ODIM
from wxcore.region import Region
from wxcore.schema import Format

MIB = 2**20
NEXT_S = 1.0
"""RELIABILITY.md A2: after the limit the child is killed within [s], and the next file is decoded within [s]."""

BOMB_S, BOMB_BYTES = 5.0, CAP_BYTES + 64 * MIB
"""RELIABILITY.md A4: processor time [s] and memory of a refusal."""

CHILD_BYTES = 512 * MIB
"""RELIABILITY.md A5: most memory of the child that refuses."""


def _stub(magic: bytes, read: Callable[..., object]) -> Format:
    """A format whose files begin with `magic`, read in a child."""
    return replace(ODIM, name=read.__name__, recognise=lambda head: head.startswith(magic), read=read)


STUBS = (_stub(b"SEGFAULT", bad_readers.segfault), _stub(b"GREEDY", bad_readers.eat_memory))
TRUSTING = replace(ODIM, read=hostile.read_trusting)
"""ODIM without the check that knows what hangs: stands for what is not known yet."""


@contextmanager
def formats(*first: Format) -> Iterator[None]:
    """Formats that are asked before all others, while this lasts."""
    with mock.patch("wxcore.pipeline.read.FORMATS", (*first, *FORMATS)):
        yield


def write(folder: Path, contents: Sequence[bytes], name: str = "{}.bin") -> list[Path]:
    """Each as a file of `folder`, old enough not to be waited for."""
    folder.mkdir(parents=True)
    paths = []
    for number, data in enumerate(contents):
        paths.append(folder / name.format(number))
        paths[-1].write_bytes(data)
        os.utime(paths[-1], (START.timestamp(), START.timestamp()))
    return paths


def odim_file(number: int) -> bytes:
    """A good ODIM file, unlike any with another number."""
    return test_xradar_door.odim() + bytes(number)


def ended(item: Input, status: str, reason: str = "") -> list[str]:
    """What is wrong where a file did not end so."""
    found = (item.status, item.reason)
    return [] if found == (status, reason) else [f"{item.file}: {found}, expected {(status, reason)}"]


def hanging(n: int, seed: int, folder: Path) -> Outcome:
    """A2: `n` times, a hanging ODIM and a hanging netCDF file at once, so that both threads lose their child, and good
    files behind them; then the same two through the reader that knows them."""
    del seed
    region, home, tally = tiny_region(folder / "meta", foreign=True), Home(folder / "home"), Tally()
    kills, nexts = [], []
    for number in range(n):
        hangs = [data + bytes(number) for data in (hostile.hanging_odim(), hostile.hanging_netcdf4())]
        goods = [odim_file(2 * number + k) for k in range(2)]
        ready = write(folder / f"ready{number}", [odim_file(1000 + 2 * number + k) for k in range(2)])
        paths = [*write(folder / f"hang{number}", hangs, "hang{}.h5"), *write(folder / f"good{number}", goods, "{}.h5")]
        seconds: list[tuple[str, float]] = []
        with formats(TRUSTING):
            ingest(ready, home, region)  # the first two children start
            with timed_files(seconds):
                items = ingest(paths, home, region)
        took = dict(seconds)
        kills += [took[path.name] - KILL_S for path in paths[:2]]
        nexts += [took[path.name] for path in paths[2:]]
        faults = [word for item in items[:2] for word in ended(item, QUARANTINED, Reason.DECODE_TIMEOUT)]
        faults += [word for item in items[2:] for word in ended(item, STORED)]
        late = [f"{name} took {spent:.2f} s" for name, spent in seconds if spent > _allowed(name)]
        tally.add(f"pair {number}", faults + late)
    known = write(folder / "known", [hostile.hanging_odim(), hostile.hanging_netcdf4()])
    began = time.monotonic()
    for item in ingest(known, Home(folder / "checked"), region):
        tally.add("known to hang", ended(item, QUARANTINED, Reason.BAD_VALUE))
    figures = {"killed after limit + [s]": round(max(kills), 3), "next file [s]": round(max(nexts), 3)}
    return tally.outcome("A2 hanging parsers", figures | {"known ones refused [s]": round(time.monotonic() - began, 2)})


def _allowed(name: str) -> float:
    return KILL_S + NEXT_S if name.startswith("hang") else NEXT_S


def crashing(n: int, seed: int, folder: Path) -> Outcome:
    """A3: `n` files whose reader crashes or eats memory, shuffled among as many good ones, of which none is lost."""
    region, home, tally = tiny_region(folder / "meta", foreign=True), Home(folder / "home"), Tally()
    bad = [(b"SEGFAULT", b"GREEDY")[k % 2] + bytes(k) for k in range(n)]
    good = [odim_file(k) for k in range(n)]
    order = np.random.default_rng(seed).permutation(2 * n)
    with formats(*STUBS):
        items = ingest(write(folder / "in", [[*bad, *good][k] for k in order], "{}.h5"), home, region)
    for item, k in zip(items, order, strict=True):
        wanted = (QUARANTINED, Reason.DECODE_CRASH) if k < n else (STORED, "")
        tally.add(f"file {k}", ended(item, *wanted))
    return tally.outcome("A3 crashing readers")


def bombs(n: int, seed: int, folder: Path) -> Outcome:
    """A4: every bomb, `n` times, each in an ingest of its own."""
    del seed
    region, tally = tiny_region(folder / "meta"), Tally()
    seconds, peaks = [], []
    for number in range(n):
        for title, make in (hostile.BOMBS | hostile.SPARSE_BOMBS).items():
            home, (path,) = Home(folder / f"home-{number}-{title}"), write(folder / f"{number} {title}", [make()])
            before, began = _start_of_peak(), time.process_time()
            (item,) = ingest([path], home, region)
            seconds.append(time.process_time() - began)
            peaks.append(_memory("VmHWM") - before)
            path.unlink()
            faults = ended(item, QUARANTINED, Reason.BAD_COMPRESSION if title == "three layers" else Reason.TOO_LARGE)
            faults += [f"{seconds[-1]:.1f} s"] if seconds[-1] > BOMB_S else []
            faults += [f"{peaks[-1] / MIB:.0f} MiB"] if peaks[-1] > BOMB_BYTES else []
            tally.add(title, faults)
    return tally.outcome("A4 bombs", {"cpu [s]": round(max(seconds), 2), "peak [MiB]": round(max(peaks) / MIB)})


def _memory(key: str, process: int | str = "self") -> int:
    """Resident memory of a process [bytes]: "VmRSS" now, "VmHWM" at most."""
    return int(Path(f"/proc/{process}/status").read_text().split(f"{key}:")[1].split()[0]) * 1024


def _start_of_peak() -> int:
    """Forget the peak so far; gives the memory of now [bytes]."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def declared(n: int, seed: int, folder: Path) -> Outcome:
    """A5: every file that declares too much or leads away; the file that it leads to is a pipe, which would block."""
    del seed
    region, tally = tiny_region(folder / "meta"), Tally()
    other = folder / "other.h5"
    os.mkfifo(other)
    too_large, away = hostile.declaring_too_much(), hostile.leading_away(other)
    wanted = [*[Reason.TOO_LARGE] * len(too_large), *[Reason.UNSUPPORTED] * len(away)]
    seconds: list[tuple[str, float]] = []
    peak = 0
    for number in range(n):
        close_guard()
        with timed_files(seconds):
            items = ingest(write(folder / f"{number}", [*too_large, *away]), Home(folder / f"home{number}"), region)
        for item, reason in zip(items, wanted, strict=True):
            tally.add(f"{item.file} {reason}", ended(item, QUARANTINED, reason))
        peak = max(peak, *(_memory("VmHWM", child.process.pid) for child in guard._POOL.idle))
    if peak > CHILD_BYTES:
        tally.add("memory", [f"{peak / MIB:.0f} MiB"])
    spent = [took for _, took in seconds]
    figures = {"p50 [s]": round(percentile(spent, 50), 3), "longest [s]": round(max(spent), 2)}
    return tally.outcome("A5 declared sizes and links", figures | {"peak of a child [MiB]": round(peak / MIB)})


def names(n: int, seed: int, folder: Path) -> Outcome:
    """A12: the 200 names and links, as a watch offers them, and then as they are given by hand; `n` times."""
    del seed
    region, tally = tiny_region(folder / "meta"), Tally()
    for number in range(n):
        root = folder / f"{number}"
        box, home = root / "box", Home(root / "home")
        contents = _fill(box)
        before = _outside(root, home)
        ledger = home.ledger()
        first = poll([box], {})
        ready = poll([box], first.seen).ready
        take_in([Offered(item.path, item.key) for item in ready], home, region, ledger, START, follow_links=False)
        list(decide_pending(home, region, ledger, len(contents), START))
        paths = [Path(os.fsdecode(os.path.join(os.fsencode(box), name))) for name in contents]  # noqa: PTH118 (bytes)
        links = [box / os.fsdecode(name) for name in test_names.LINKS]
        by_hand = take_in([Offered(path) for path in (*paths, *links)], home, region, ledger, START, follow_links=False)
        list(decide_pending(home, region, ledger, len(contents), START))
        refused = [item for item in by_hand if item is not None and item.reason == Reason.OUTSIDE_ROOT]
        landed = {path.name for path in home.landing.rglob("*") if path.is_file() and "journal" not in path.parts}
        named = [path for path in landed if path not in {sha256(data).hexdigest() for data in contents.values()}]
        after = _outside(root, home)
        faults = [f"outside: {sorted(after ^ before)[:3]}"] if after != before else []
        faults += [f"landed under {named[:3]}"] if named else []
        faults += [f"{len(landed)} of {len(contents)} landed"] if len(landed) != len(contents) else []
        faults += [f"{len(refused)} links refused"] if len(refused) != len(links) else []
        faults += [] if conservation(ledger).holds else [str(conservation(ledger))]
        tally.add(f"names {number}", faults)
        tally.tried, tally.held = tally.tried + 199, tally.held + 199 * (not faults)
    return tally.outcome("A12 names and links")


def _fill(box: Path) -> dict[bytes, bytes]:
    """The names of the list as files and links; gives the contents of the files."""
    box.mkdir(parents=True)
    contents = {name: b"content %d" % number for number, name in enumerate(test_names.NAMES)}
    for name, data in contents.items():
        with open(os.path.join(os.fsencode(box), name), "wb") as file:  # noqa: PTH118, PTH123 (the name is bytes)
            file.write(data)
    for link, target in zip(test_names.LINKS, ("/etc/passwd", "..", "/"), strict=True):
        (box / link.decode()).symlink_to(target)
    return contents


def _outside(folder: Path, home: Home) -> set[Path]:
    return {path for path in folder.rglob("*") if home.root not in (path, *path.parents)}


def unfinished(n: int, seed: int, folder: Path) -> Outcome:
    """A13: `n` files, each written in four parts with a poll or none between; every other one under a temporary name,
    which a longer pause does not matter to."""
    rng, tally = np.random.default_rng(seed), Tally()
    region, home, box = tiny_region(folder / "meta"), Home(folder / "home"), folder / "box"
    box.mkdir()
    whole = next(item.raw for item in small_seeds(region) if item.reader == "cinrad-standard")
    ledger, seen = home.ledger(), dict[str, Seen]()

    def look() -> list[Input]:
        nonlocal seen
        found = poll([box], seen)
        seen = dict(take(found.seen, found.ready))
        offered = [Offered(item.path, item.key) for item in found.ready]
        told = take_in(offered, home, region, ledger, START, follow_links=False)
        return [*(item for item in told if item and item.status != "pending"),
                *decide_pending(home, region, ledger, 10, START)]  # fmt: skip

    for number in range(n):
        data = gzip.compress(whole, mtime=number)
        name = box / f"{number}.bin"
        path, most = (box / f"{number}.tmp", 4) if number % 2 else (name, 1)
        early: list[Input] = []
        cuts = [0, *sorted(int(cut) for cut in rng.integers(1, len(data), 3)), len(data)]
        for start, stop in pairwise(cuts):
            with path.open("ab") as file:
                file.write(data[start:stop])
            for _ in range(int(rng.integers(0, most + 1))):
                early += look()
        faults = [f"picked up early as {item.status} {item.reason}" for item in early]
        if path != name:
            path.rename(name)
        items = [item for _ in range(3) for item in look()]
        faults += ended(items[0], STORED) if len(items) == 1 else [f"picked up {len(items)} times"]
        faults += [] if items and items[0].sha256 == sha256(data).hexdigest() else ["other bytes"]
        tally.add(f"writer {number} of seed {seed}", faults)
    return tally.outcome("A13 unfinished files")


@dataclass(frozen=True)
class Kind:
    """What a file of a mixed batch is, and what must become of it."""

    status: str
    reason: str = ""


KINDS = {
    "good": Kind(STORED),
    "again": Kind(DUPLICATE),
    "cut": Kind(QUARANTINED, Reason.TRUNCATED),
    "noise": Kind(QUARANTINED, Reason.UNKNOWN_FORMAT),
    "empty": Kind(QUARANTINED, Reason.EMPTY),
    "ahead": Kind(QUARANTINED, Reason.FUTURE_TIME),
    "crash": Kind(QUARANTINED, Reason.DECODE_CRASH),
    "bomb": Kind(QUARANTINED, Reason.TOO_LARGE),
    "gone": Kind(QUARANTINED, Reason.NOT_FOUND),
}


def mixed(n: int, seed: int, folder: Path) -> Outcome:
    """B13: `n` batches of 40 files of all kinds: the counts of the ledger are those of what was offered, exactly."""
    rng, tally = np.random.default_rng(seed), Tally()
    region = tiny_region(folder / "meta")
    now = START + timedelta(minutes=5)
    make = _contents(region, now)
    for number in range(n):
        home, kinds = Home(folder / f"home{number}"), [*KINDS, *rng.choice(list(KINDS), 40 - len(KINDS))]
        contents: list[bytes] = []
        for place, kind in enumerate(kinds):
            before = [data for data, was in zip(contents, kinds, strict=False) if was == "good"]
            contents.append(before[int(rng.integers(len(before)))] if kind == "again" else make[kind](place))
        paths = write(folder / f"in{number}", contents)
        for path, kind in zip(paths, kinds, strict=True):
            if kind == "gone":
                path.unlink()
        with formats(*STUBS):
            items = ingest(paths, home, region, now=now)
        faults = [
            word
            for item, kind in zip(items, kinds, strict=True)
            for word in ended(item, KINDS[kind].status, KINDS[kind].reason)
        ]
        faults += _miscounted(conservation(home.ledger()), Counter(KINDS[kind].status for kind in kinds), 0)
        waiting = write(folder / f"later{number}", [make["good"](1000 + k) for k in range(3)])
        take_in([Offered(path) for path in waiting], home, region, home.ledger(), now)
        faults += _miscounted(conservation(home.ledger()), Counter(KINDS[kind].status for kind in kinds), len(waiting))
        tally.add(f"batch {number} of seed {seed}", faults)
    return tally.outcome("B13 conservation")


def _contents(region: Region, now: datetime) -> dict[str, Callable[[int], bytes]]:
    """A maker of each kind; files of other numbers have other bytes."""
    whole = next(item.raw for item in small_seeds(region) if item.reader == "cinrad-standard")
    ahead = packed(volume_at(region.radars[0], now + timedelta(hours=1)))
    return {
        "good": lambda k: gzip.compress(whole, mtime=k),
        "cut": lambda k: gzip.compress(whole[: len(whole) // 2], mtime=k),
        "noise": lambda k: np.random.default_rng(k).bytes(3000),
        "empty": lambda _: b"",
        "ahead": lambda k: gzip.compress(ahead, 1, mtime=k),
        "crash": lambda k: b"SEGFAULT" + bytes(k),
        "bomb": lambda k: gzip.compress(hostile.BZ2_1_GIB, mtime=k),
        "gone": lambda k: b"%d" % k,
    }


def _miscounted(counts: Conservation, offered: Counter[str], pending: int) -> list[str]:
    """Where the ledger's counts are not those of what was offered."""
    expected = (sum(offered.values()) + pending, offered[STORED], offered[DUPLICATE], offered[QUARANTINED], pending)
    found = (counts.received, counts.stored, counts.duplicate, counts.quarantined, counts.pending)
    return [] if counts.holds and found == expected else [f"counts {found}, offered {expected}"]

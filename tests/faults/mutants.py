"""A1: mutants of every format through the real ingest: each is stored or quarantined; what is stored is in range."""

import bz2
import gzip
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from tests.faults.ground_seeds import GROUND_PRODUCTS, faults_of_ground, ground_region
from tests.faults.harness import KILL_S, P99_S, Outcome, Tally, peak_mib, percentile
from tests.faults.scene import START
from tests.faults.seeds import Seed, real_seeds, small_seeds
from tests.faults.sky_seeds import BOX, faults_of
from wxcore.environment.levels import levels_for
from wxcore.errors import ReadError, Reason
from wxcore.landing.land import landed_path
from wxcore.landing.ledger import PENDING, conservation, find_file
from wxcore.pipeline.analyse import composite_cube, mosaic_cube, volume_cube
from wxcore.pipeline.checks import place
from wxcore.pipeline.gather import SURELY
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.read import Reading, read_file
from wxcore.pipeline.result import DUPLICATE, QUARANTINED, STORED, Input
from wxcore.pipeline.static import terrain_of
from wxcore.radar.prepare import Surroundings, prepare
from wxcore.radar.volume import Volume
from wxcore.region import Region
from wxcore.schema import MOSAIC, OPTIONAL, PRODUCTS, Box, check
from wxcore.times import cycle_of

BATCH = 100
"""Mutants of one ingest; the folder is emptied after each."""

JUDGED = 300
"""Of fewer files the 99th percentile is not judged: a child's replacement after 200 files would be a hundredth."""

WORDS = (
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\xc0\x7f", b"\0\0\x80\x7f",
    b"\x01\0\0\0", b"\0\0\0\x01", b"\xff\xff\0\0", b"\x7f\x80\0\0", b"\0\x80\0\x80", b"\xf1\xd8\xff\xff",
)  # fmt: skip
"""Header words that break things: ends of integers, NaN and infinity of both byte orders, -9999."""

TOKEN = re.compile(rb"[^\s,;=\"<>:]+")
TOKENS = (
    b"999999", b"999998", b"999017", b"-999999", b"9999", b"-9999", b"32766", b"99999", b"0", b"-1", b"1e39", b"-1e39",
    b"1e400", b"nan", b"NaN", b"inf", b"-inf", b"//", b"/////", b"-", b"", b"null", b"9" * 30, b"0x1F", b"1_0", b"+5",
    b"000000", b"20260701240000", b"20260732000000", b"00000000000000", b"20160701235960", b"2400", b"0760", b"-0001",
    b"\xef\xbc\x91\xef\xbc\x92", b"\xd9\xa1", b"\xc2\xb2", b"\xff\xfe", b"\0", b"a b", b"=", b"NNNN", b"1,2",
    b"[]", b"{}", b"&x;", b"<R/>", b"Z9999", b"../../x", b"1.5.2", b"--3", b"1e5", b"360", b"361", b"PPC", b"VRB",
)  # fmt: skip
"""Words in the place of others: sentinels, ends of numbers, impossible times, digits of other scripts."""

HEADER_BYTES = 1200
PARSED_BY_C = {"nwp-grib", "bufr-surface", "bufr-sounding"}
"""ecCodes may die of a message, and its child with it: the file is quarantined, nothing else is lost (A3)."""

GROUND_KINDS = {"station", "sounding", "nwp", "product"}
WORDED = 0.6
"""Part of the mutants of a text that stay one."""

PACKERS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    lambda raw: bz2.compress(raw, 1),
    lambda raw: gzip.compress(raw, mtime=0),
)


@dataclass(frozen=True)
class Mutant:
    """A broken file and the recipe that makes it."""

    seed: Seed
    recipe: str
    data: bytes


def mutate(data: bytes, rng: np.random.Generator, hot: int = 0) -> tuple[bytes, str]:
    """One mutation of `data`, nearly always behind `hot`, and what it was."""
    raw, size = bytearray(data), len(data)
    low = hot if rng.random() < 0.9 else 0

    def anywhere() -> int:
        return int(rng.integers(min(low, size - 1), size))

    at, length = anywhere(), int(rng.integers(1, max(2, min(4096, size // 2))))
    kind = ("cut", "flip", "zero", "word", "insert", "delete", "noise", "twin")[int(rng.integers(0, 8))]
    match kind:
        case "cut":
            del raw[at:]
        case "flip":
            for spot in sorted(anywhere() for _ in range(int(rng.choice([1, 8, 60])))):
                raw[spot] ^= 1 << int(rng.integers(0, 8))
        case "zero":
            raw[at : at + length] = bytes(len(raw[at : at + length]))
        case "word":
            at = min(low + int(rng.integers(0, HEADER_BYTES // 2)) * 2, max(0, size - 4))
            raw[at : at + 4] = WORDS[int(rng.integers(0, len(WORDS)))]
        case "insert":
            raw[at:at] = rng.bytes(length)
        case "delete":
            del raw[at : at + length]
        case "noise":
            part = len(raw[at : at + length])
            raw[at : at + length] = rng.bytes(part)
        case _:
            raw[at:at] = raw[at : at + length]
    return bytes(raw), f"{kind}@{at}+{length}"


def reword(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """Up to four words of a text changed for one of TOKENS, one of its own, or the same with another digit."""
    raw, said = data, []
    for _ in range(int(rng.choice([1, 1, 2, 4]))):
        words = list(TOKEN.finditer(raw))
        if not words:
            break
        old, other = (words[int(rng.integers(0, len(words)))] for _ in range(2))
        new = (TOKENS[int(rng.integers(0, len(TOKENS)))], other[0], b"%s9" % old[0], old[0][1:])[
            int(rng.choice(4, p=[0.6, 0.2, 0.1, 0.1]))
        ]
        raw = raw[: old.start()] + new + raw[old.end() :]
        said.append(f"{new[:12]!r}@{old.start()}")
    return raw, f"words {' '.join(said)}"


def mutants(seed: Seed, rng: np.random.Generator, count: int) -> list[Mutant]:
    """Mutants of the bare bytes, of the bytes inside a compression, and of the compressed bytes."""
    made = []
    for _ in range(count):
        pack = PACKERS[int(rng.choice(3, p=[0.6, 0.3, 0.1]))]
        if pack is bytes or rng.random() < 0.6:
            reworded = seed.text and rng.random() < WORDED
            data, recipe = reword(seed.raw, rng) if reworded else mutate(seed.raw, rng, seed.hot)
            made.append(Mutant(seed, f"{recipe} inside", pack(data)))
        else:
            data, recipe = mutate(pack(seed.raw), rng)
            made.append(Mutant(seed, f"{recipe} of the compressed", data))
    return made


def deliver(batch: Sequence[Mutant], folder: Path) -> list[Path]:
    """Each mutant as a file with the name of its seed, in a folder of its own."""
    paths = []
    for number, mutant in enumerate(batch):
        path = folder / f"{number}" / mutant.seed.name
        path.parent.mkdir(parents=True)
        path.write_bytes(mutant.data)
        paths.append(path)
    return paths


def out_of_range(path: Path, item: Input, region: Region) -> list[str]:
    """What is wrong with an accepted file, or the cube a cycle would make of it; nothing where it is refused in order.

    A satellite's or lightning file is judged by itself: a pass that lacks its places makes nothing alone. Of stations
    and of the air the readers' invariants must hold, and the network's quality control or the levels come out of it.
    """
    assert item.time is not None
    when = cycle_of(item.time)
    try:
        if item.kind in {"scene", "geolocation", "lightning"}:
            return faults_of(read_file(path, item.file, BOX).native)
        reading = read_file(path, item.file, region.grid.bounds, reference=item.time + SURELY)
        native: Any = reading.native
        if item.kind in GROUND_KINDS:
            dated = item.kind == "product" or reading.description.time >= item.time
            again = [] if dated else [f"dated {item.time}, read again {reading}"]
            return again + faults_of_ground(native, region)
        levels = levels_for(region, when)
        if isinstance(native, Volume):
            volume = place(native, region)
            around = Surroundings(partial(terrain_of, region, volume.site), levels.h0_m, levels.hm20_m)
            cube = volume_cube([prepare(volume, around)], region, when, levels)
        elif item.kind == "mosaic":
            cube = mosaic_cube(native, region, when, levels)
        else:
            cube = composite_cube(native, region, when)
        check(cube, (*MOSAIC, *PRODUCTS, *(var for var in OPTIONAL if var.name in cube)), what=item.file)
    except ReadError:
        return []
    except Exception as error:  # noqa: BLE001 (whatever comes here would have killed a cycle)
        return [f"an accepted file breaks its cycle: {type(error).__name__}: {str(error)[:300]}"]
    return []


def judge(mutant: Mutant, item: Input, home: Home, region: Region) -> list[str]:
    """What is wrong with the end that a mutant came to."""
    if item.status in {STORED, DUPLICATE}:
        return out_of_range(landed_path(home.landing, item.sha256), item, region)
    if item.status != QUARANTINED or item.reason not in set(Reason):
        return [f"ended as {item.status!r} with reason {item.reason!r}"]
    contained = mutant.seed.reader in PARSED_BY_C and "killed by SIG" in item.message_en
    if item.reason == Reason.DECODE_CRASH and not contained:
        return [f"the reader raised what is no ReadError: {item.message_en[:300]}"]
    row = find_file(home.ledger(), item.sha256) if item.sha256 else None
    if row is not None and row.status == PENDING:
        return ["pending in the ledger"]
    decoded = item.reason == Reason.UNSUPPORTED and mutant.seed.reader in GROUND_PRODUCTS
    path = landed_path(home.landing, item.sha256)
    return out_of_range(path, replace(item, kind="product", time=START), region) if decoded else []


@contextmanager
def timed_files(seconds: list[tuple[str, float]]) -> Iterator[None]:
    """While this lasts, name and time [s] of each file that ingest reads, however it ends, are put into `seconds`."""

    def read(path: Path, name: str, box: Box, *, reference: datetime | None = None) -> Reading:
        began = time.monotonic()
        try:
            return read_file(path, name, box, reference=reference)
        finally:
            seconds.append((name, time.monotonic() - began))

    with mock.patch("wxcore.pipeline.ingest.read_file", read):
        yield


def one_batch(batch: Sequence[Mutant], folder: Path, region: Region, tally: Tally, became: Counter[str]) -> list[float]:
    """Ingest a batch into a home of its own; gives the seconds that each file took."""
    home = Home(folder / "home")
    seconds: list[tuple[str, float]] = []
    paths = deliver(batch, folder / "in")
    try:
        with timed_files(seconds):
            items = ingest(paths, home, region)
    except Exception as error:  # noqa: BLE001 (a dead ingest is what this looks for)
        tally.add(f"batch from {batch[0].seed.reader}", [f"ingest died of {type(error).__name__}: {error}"])
        items = []
    for mutant, item in zip(batch, items, strict=False):
        recipe = f"{mutant.seed.reader}/{mutant.seed.variant} {mutant.recipe} {item.sha256[:12]}"
        faults = judge(mutant, item, home, region)
        became[item.status] += 1
        if faults:
            kept = folder.parent / "kept"
            kept.mkdir(exist_ok=True)
            (kept / f"{mutant.seed.reader}-{item.sha256[:12]}").write_bytes(mutant.data)
        tally.add(recipe, faults)
    ledger = home.ledger()
    counts = conservation(ledger)
    if not counts.holds or counts.pending or counts.received != len(batch):
        tally.add(f"ledger of a batch of {batch[0].seed.reader}", [str(counts)])
    ledger.engine.dispose()
    shutil.rmtree(folder)
    return [took for _, took in seconds]


Make = Callable[[int, int, Path], Outcome]


def _fault(title: str, seeds_for: Callable[[Region], Sequence[Seed]]) -> Make:
    def fault(n: int, seed: int, folder: Path) -> Outcome:
        region = ground_region(folder / "meta")
        return _run(f"A1 {title}", seeds_for(region), n, seed, folder, region)

    return fault


def reader(name: str) -> Make:
    """The fault of one reader: `n` mutants over its seeds."""
    return _fault(name, lambda region: [seed for seed in small_seeds(region) if seed.reader == name])


def others(names: Collection[str]) -> Make:
    """`n` mutants of what is recognised only to be refused: of all formats but these."""
    return _fault("other formats", lambda region: [seed for seed in small_seeds(region) if seed.reader not in names])


real_files = _fault("real files", lambda _: real_seeds())
"""`n` mutants of the real files that are at hand."""


def _run(name: str, seeds: Sequence[Seed], n: int, seed: int, folder: Path, region: Region) -> Outcome:
    if not seeds:
        return Outcome(name, 0, 0, "no files to start from: WXCORE_TEST_DATA names the folder of the real ones")
    rng, tally, seconds = np.random.default_rng(seed), Tally(), []
    became: Counter[str] = Counter()
    shares = [n // len(seeds) + (k < n % len(seeds)) for k in range(len(seeds))]
    queue = [mutant for item, count in zip(seeds, shares, strict=True) for mutant in mutants(item, rng, count)]
    _start_children(seeds[0], folder / "whole", region)
    began = time.monotonic()
    for number, batch in enumerate(_batched(queue)):
        seconds += one_batch(batch, folder / f"batch{number}", region, tally, became)
    p99, longest = percentile(seconds, 99), max(seconds, default=0.0)
    if (p99 > P99_S and len(seconds) >= JUDGED) or longest > KILL_S + P99_S:
        tally.add("time of a file", [f"p99 {p99:.2f} s, longest {longest:.2f} s"])
    each = 1000 * (time.monotonic() - began) / max(1, len(queue))
    figures = {"p99 [s]": round(p99, 3), "longest [s]": round(longest, 2), "each [ms]": round(each, 1)}
    return tally.outcome(name, figures | {"peak [MiB]": round(peak_mib())} | dict(became))


def _start_children(seed: Seed, folder: Path, region: Region) -> None:
    """Two whole files, one for each thread: the start of the children that decode them is no file's time."""
    whole = [Mutant(seed, "whole", pack(seed.raw)) for pack in (bytes, gzip.compress)]
    one_batch(whole, folder, region, Tally(), Counter())


def _batched(queue: Sequence[Mutant]) -> list[Sequence[Mutant]]:
    return [queue[at : at + BATCH] for at in range(0, len(queue), BATCH)]

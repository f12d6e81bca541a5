"""The power is cut, or a disk lies: the newest files of the archive are torn, the ledger is torn or gone (B1, B14)."""

import functools
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from tests.faults.crashes import last_words, run_command
from tests.faults.harness import Outcome, Tally, percentile, recovery_limit_s
from tests.faults.io_faults import COUNT, KILL
from tests.faults.scene import REGION, tiny_region, write_cycle
from tests.faults.state import State, state
from tests.faults.zygote import Job, zygote
from wxcore.landing.ledger import (
    STORED,
    Arrival,
    FileRow,
    Ledger,
    conservation,
    decide,
    open_ledger,
    rebuild,
    receive,
    state_hash,
)
from wxcore.pipeline.home import Home
from wxcore.pipeline.maintain import check_home
from wxcore.pipeline.recover import recover_home
from wxcore.pipeline.run import run
from wxcore.region import Region
from wxcore.times import CYCLE, latest_cycle

CYCLES = 3
AGE = timedelta(days=3)
"""How old the scene is: the watch only makes again what was there, and drafts nothing anew."""

BACK_H = 100
"""`--back-h`: how old a cycle that is run again may be [h]."""

SECTOR = 512
"""What a disk writes whole or not at all [bytes]."""

ONE_DAY_FILES = 60_000
"""Files of a day: 240 cycles x 14 radars, and 2,000 stations by the hour, are 51,360."""

REBUILD_S = 600.0
"""RELIABILITY.md B14: a day's ledger is rebuilt within [s]."""

BATCH = 64
"""Files that ingest lands in one transaction."""

FIRST_FILES = 500
"""Files with which the rate of a rebuild is measured where little time is given."""


@dataclass(frozen=True)
class Wreck:
    """Homes as the power cut found them, and what must be there again.

    Attributes:
        homes: "whole": the newest cycle is published. "unsealed": it is committed, but neither synced nor published.
        written: of each, what every cycle wrote under `archive`, newest first.
        expected: of each; nothing is drafted any more for a cycle of that age that was never published.
        incoming: folder with all files that came.
    """

    region: Region
    meta: Path
    incoming: Path
    files: list[Path]
    homes: dict[str, Path]
    written: dict[str, list[list[str]]]
    expected: dict[str, State]


def wreck(folder: Path) -> Wreck:
    """Make them: cycle by cycle, with the ledger open all the time, so that what the newest told it is in its -wal."""
    region, incoming = tiny_region(folder / "meta"), folder / "in"
    born = latest_cycle(datetime.now(UTC)) - AGE
    batches = [write_cycle(region, incoming, born + k * CYCLE, seed=1 + 10 * k, born=born) for k in range(CYCLES)]
    files = [path for batch in batches for path in batch]
    done, whole, unsealed = (folder / name for name in ("done", "whole", "unsealed"))
    home, written = Home(done), list[list[str]]()
    with home.ledger().reader.connect() as reader:
        read(reader)
        for batch in batches:
            before = contents(done / "archive")
            if batch is batches[-1]:
                reader.exec_driver_sql("PRAGMA wal_checkpoint(FULL)").all()
                shutil.copytree(done, unsealed)
                earlier = state(home, REGION, files)
            run(batch, home, region)
            written.insert(0, changed(before, contents(done / "archive")))
            read(reader)
        shutil.copytree(done, whole)
    before = contents(unsealed / "archive")
    killed_after_commit(unsealed, batches[-1], folder / "meta")
    newest = changed(before, contents(unsealed / "archive"))
    expected = state(home, REGION, files)
    calm = Home(shutil.copytree(unsealed, folder / "calm"))
    recover_home(calm, region)
    undrafted = state(calm, REGION, files)
    assert (undrafted.drafts, undrafted.files) == (earlier.drafts, expected.files)
    return Wreck(
        region, folder / "meta", incoming, files, {"whole": whole, "unsealed": unsealed},
        {"whole": written, "unsealed": [newest, *written[1:]]},
        {"whole": expected, "unsealed": undrafted},
    )  # fmt: skip


def read(connection: Connection) -> None:
    """Something of the ledger: an open reader keeps SQLite from taking the -wal away."""
    connection.exec_driver_sql("SELECT count(*) FROM files").all()
    connection.rollback()


def contents(folder: Path) -> dict[str, str]:
    """Files under a folder by their contents."""
    paths = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in paths}


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Names of what is new or other; locks aside."""
    return sorted(name for name, text in after.items() if before.get(name) != text and Path(name).name != "lock")


def killed_after_commit(home: Path, batch: Sequence[Path], meta: Path) -> None:
    """A run that ends just after its commit in the archive, before it is synced."""
    words = run_command(batch, home)
    with zygote() as maker:
        counting = home.with_name("counting")
        shutil.copytree(home, counting)
        points = maker.run(Job(run_command(batch, counting), str(meta), folder=str(counting), mode=COUNT)).points
        at = points.index("commit icechunk after") + 1
        ended = maker.run(Job(words, str(meta), folder=str(home), mode=KILL, at=at))
        assert ended.code == -9, ended.err


def empty(path: Path, rng: np.random.Generator) -> None:
    """As XFS and ext4 leave a file whose blocks never came to the disk."""
    del rng
    path.write_bytes(b"")


def zeros(path: Path, rng: np.random.Generator) -> None:
    """Its length was written, not its end."""
    size = path.stat().st_size
    cut = int(rng.integers(0, size)) if size else 0
    path.write_bytes(path.read_bytes()[:cut] + bytes(size - cut))


def tail(path: Path, rng: np.random.Generator) -> None:
    """Its end was never written."""
    path.write_bytes(path.read_bytes()[: int(rng.integers(0, max(1, path.stat().st_size)))])


def gone(path: Path, rng: np.random.Generator) -> None:
    """Its name was never written."""
    del rng
    path.unlink()


TEARS: tuple[Callable[[Path, np.random.Generator], None], ...] = (empty, zeros, tail, gone)
SCOPES = ("newest", "newest two", "some of the newest two", "refs", "newest head", "refs and newest head")


def torn_files(written: Sequence[Sequence[str]], scope: str, rng: np.random.Generator) -> list[str]:
    """What of the archive is torn."""
    newest = list(written[0])
    if scope == "newest":
        return newest
    both = sorted({*newest, *written[1]})
    if scope == "newest two":
        return both
    if scope == "some of the newest two":
        return sorted(rng.choice(both, int(rng.integers(1, len(both) + 1)), replace=False).tolist())
    refs = [name for name in newest if "/refs/" in name or name.endswith("repo/repo")]
    heads = [name for name in newest if "/heads/" in name]
    return {"refs": refs, "newest head": heads, "refs and newest head": [*refs, *heads]}[scope]


@dataclass
class Cut:
    """One power cut: which home, what is torn and how, what becomes of the ledger, and how it is brought back."""

    home: str
    scope: str
    tear: Callable[[Path, np.random.Generator], None]
    ledger: str
    by: str
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.home}, {self.scope} {self.tear.__name__} ({len(self.names)} files), {self.ledger}, by {self.by}"


def power_cuts(n: int, seed: int, folder: Path) -> Outcome:
    """`n` power cuts at random; the first is the plain one: everything of the newest commit is empty."""
    rng, tally, seconds = np.random.default_rng(seed), Tally(), list[float]()
    at = wreck(folder)
    for number in range(n):
        cut = Cut("whole", "newest", empty, "ledger whole", "wx watch") if number == 0 else _any_cut(rng)
        home = folder / f"cut-{number:04d}"
        shutil.copytree(at.homes[cut.home], home)
        cut.names = torn_files(at.written[cut.home], cut.scope, rng)
        for name in cut.names:
            cut.tear(home / "archive" / name, rng)
        if cut.ledger != "ledger whole":
            without_wal(home, rng)
        faults = _recovered(at, cut, home, seconds)
        tally.add(f"seed {seed}, cut {number}: {cut}", faults)
        if not faults:
            shutil.rmtree(home)
    return tally.outcome("B1 power cut", {"recovery p100 [s]": round(percentile(seconds, 100), 1)})


def _any_cut(rng: np.random.Generator) -> Cut:
    return Cut(
        str(rng.choice(["whole", "unsealed"])), str(rng.choice(SCOPES)), TEARS[int(rng.integers(len(TEARS)))],
        str(rng.choice(["ledger whole", "ledger whole", "without -wal"])), str(rng.choice(["wx watch", "wx recover"])),
    )  # fmt: skip


def _recovered(at: Wreck, cut: Cut, home: Path, seconds: list[float]) -> list[str]:
    """What does not hold once the home was brought back; the watch looks into a folder in which nothing is left."""
    empty_folder = at.incoming.with_name("nothing")
    empty_folder.mkdir(exist_ok=True)
    place = ["--region", REGION, "--out", str(home), "--lang", "en"]
    watch = ["watch", str(empty_folder), "--until-idle", "--poll-s", "0.05", "--back-h", str(BACK_H), *place]
    faults = []
    with zygote() as maker:
        for words in {"wx watch": [watch], "wx recover": [["archive", "recover", *place], watch]}[cut.by]:
            ended = maker.run(Job(words, str(at.meta)))
            seconds.append(ended.seconds)
            if ended.code != 0 or ended.seconds > recovery_limit_s():
                faults.append(f"{words[0]} ended with {ended.code} after {ended.seconds:.1f} s: {last_words(ended)}")
            if cut.home == "whole":
                break
    try:
        faults += state(Home(home), REGION, at.files).differences(at.expected[cut.home])
        faults += [f"check: {item.file} {item.en}" for item in check_home(Home(home), at.region).faults]
    except Exception as error:  # noqa: BLE001 (an archive or ledger that does not open is what this looks for)
        faults.append(f"what is left does not open: {type(error).__name__}: {str(error)[:200]}")
    return faults


def deleted(home: Path, rng: np.random.Generator) -> None:
    """No ledger at all."""
    del rng
    for path in home.glob("ledger.sqlite*"):
        path.unlink()


def without_wal(home: Path, rng: np.random.Generator) -> None:
    """Only the file itself: what SQLite had not yet moved into it is gone."""
    del rng
    for path in home.glob("ledger.sqlite-*"):
        path.unlink()


def half_wal(home: Path, rng: np.random.Generator) -> None:
    """The end of the -wal is gone."""
    tail(home / "ledger.sqlite-wal", rng)


def cut_short(home: Path, rng: np.random.Generator) -> None:
    """The file's end is gone, and the -wal."""
    _merge(home)
    tail(home / "ledger.sqlite", rng)


def sectors(home: Path, rng: np.random.Generator) -> None:
    """One to eight sectors hold something else."""
    _merge(home)
    path = home / "ledger.sqlite"
    content = bytearray(path.read_bytes())
    for place in rng.integers(0, len(content) // SECTOR, int(rng.integers(1, 9))):
        content[place * SECTOR : (place + 1) * SECTOR] = rng.bytes(SECTOR)
    path.write_bytes(content)


def _merge(home: Path) -> None:
    """Let SQLite move its -wal into the file, as a reader who leaves last does."""
    ledger = open_ledger(home / "ledger.sqlite")
    ledger.engine.dispose()


LOSSES = (deleted, without_wal, sectors, cut_short, half_wal)


def ledger_lost(n: int, seed: int, folder: Path) -> Outcome:
    """B14: `n` ledgers lost or damaged; the rebuilt one has the same state. Then how long a day's ledger takes."""
    rng, tally = np.random.default_rng(seed), Tally()
    at = wreck(folder)
    whole = at.homes["whole"]
    reference = folder / "reference"
    shutil.copytree(whole, reference)
    wanted = _identity(Home(reference).ledger())
    for number in range(n):
        lose = LOSSES[number % len(LOSSES)]
        home = folder / f"lost-{number:04d}"
        shutil.copytree(whole, home)
        lose(home, rng)
        tally.add(f"seed {seed}, {number}: {lose.__name__}", _same_ledger(home, at.region, wanted))
    count = FIRST_FILES if n < 10 else ONE_DAY_FILES
    took = rebuild_s(count, folder / "many")
    day = took * ONE_DAY_FILES / count
    tally.add(f"a day of {ONE_DAY_FILES} files", [f"{day:.0f} s"] if day > REBUILD_S else [])
    figures = {"files": float(count), "rebuild [files/s]": round(count / took), "one day [s]": round(day, 1)}
    return tally.outcome("B14 ledger lost", figures)


def _identity(ledger: Ledger) -> tuple[str, object]:
    found = state_hash(ledger), conservation(ledger)
    ledger.engine.dispose()
    return found


def _same_ledger(home: Path, region: Region, wanted: tuple[str, object]) -> list[str]:
    try:
        recover_home(Home(home), region, thorough=True, rerun=False)
        found = _identity(Home(home).ledger())
    except Exception as error:  # noqa: BLE001 (a ledger that does not open is what this looks for)
        return [f"{type(error).__name__}: {str(error)[:200]}"]
    return [f"{a} not {b}" for a, b in zip(found, wanted, strict=True) if a != b]


def rebuild_s(count: int, folder: Path) -> float:
    """Seconds [s] to rebuild a ledger of so many landed and decided files from their journal and tree."""
    landing, warnings = folder / "landing", folder / "warnings"
    ledger = open_ledger(folder / "ledger.sqlite", landing=landing, warnings=warnings)
    for start in range(0, count, BATCH):
        enter(ledger, landing, range(start, min(start + BATCH, count)))
    wanted = _identity(ledger)
    again = open_ledger(folder / "again.sqlite")
    began = time.monotonic()
    rebuild(again, landing, warnings)
    took = time.monotonic() - began
    assert _identity(again) == wanted
    return took


def enter(ledger: Ledger, landing: Path, numbers: Iterable[int]) -> None:
    """Land and decide files of a few bytes."""
    now = datetime.now(UTC)
    names = [sha256(str(number).encode()).hexdigest() for number in numbers]
    for name in names:
        path = landing / name[:2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1")
    receive(ledger, [Arrival(name, f"{name[:20]}.bin", 1, now, now, name) for name in names])
    row = functools.partial(FileRow, format="bufr", kind="stations", site="", received_at=now, status=STORED)
    decide(ledger, [row(name, f"{name[:20]}.bin", 1, obs_time=now) for name in names])

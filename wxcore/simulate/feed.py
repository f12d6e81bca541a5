"""The feed of a simulated afternoon: all files of all instruments, written one by one in the order of their arrival."""

import hashlib
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from wxcore.errors import WxcoreError
from wxcore.region import Region
from wxcore.simulate import radar_feed, satellite_feed
from wxcore.simulate.lightning_feed import ADTD, LMI
from wxcore.simulate.mess import Mess, Sent, broken_bytes, disturb, name_of
from wxcore.simulate.minutes import EPOCH
from wxcore.simulate.network import network
from wxcore.simulate.planned import FULL, SMALL, Instrument, Planned, Scale, Setting
from wxcore.simulate.scenarios import build_world
from wxcore.simulate.sounding_feed import SOUNDING
from wxcore.simulate.station_feed import FTM
from wxcore.times import require_utc

__all__ = [
    "AFTERNOON", "FULL", "INSTRUMENTS", "SCALES", "SMALL", "Made", "Scale", "file_count", "plan", "send",
    "setting_of", "write_feed",
]  # fmt: skip

INSTRUMENTS: tuple[Instrument, ...] = (
    radar_feed.INSTRUMENT, *satellite_feed.INSTRUMENTS, LMI, ADTD, FTM, SOUNDING,
)  # fmt: skip
"""All that the simulator has."""

SCALES = {scale.name: scale for scale in (FULL, SMALL)}

AFTERNOON, SEED = datetime(2026, 7, 1, 8, 0, tzinfo=UTC), 20260701
"""First observation and seed of our own afternoons: demo, benches, kernels. Chongqing is 8 h ahead of UTC."""

AHEAD = 24
"""Files a worker process that are made, or being made, before it is their turn: a long one keeps no other waiting."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Made:
    """A file that is there. `size`: [bytes]; `sha256`: of its bytes, hex."""

    sent: Sent
    size: int
    sha256: str


@dataclass(frozen=True)
class _Work:
    """What a process needs to make any file of a feed."""

    setting: Setting
    folder: Path
    makers: tuple[Instrument, ...]
    broken_seed: int


def setting_of(
    region: Region,
    scale: Scale,
    *,
    start: datetime,
    hours: float,
    scenario: str = "afternoon",
    seed: int = SEED,
    clean: bool = False,
) -> Setting:
    """What is to be simulated: the region with a synthetic network of the scale's size, and the scenario's world.

    Args:
        start: aware UTC, of the first observation; hours: how long it goes on.
        clean: perfect instruments, for round trips.

    Raises:
        TimeError: `start` is naive.
        ValueError: `hours` is not positive.
        WxcoreError: no such scenario.
    """
    if not hours > 0:
        raise ValueError(f"{hours} hours, expected more than 0")
    start = require_utc(start)
    stations = network(region, scale.stations, seed=seed)
    world = build_world(scenario, region, start, hours, seed)
    return Setting(
        replace(region, stations=stations), world, scale, start, start + timedelta(hours=hours), seed, clean
    )  # fmt: skip


def plan(setting: Setting, instruments: Sequence[Instrument] = INSTRUMENTS) -> list[Planned]:
    """All files, by time of arrival, then path. A path may come again, as a newer version of the file.

    Raises:
        ValueError: two instruments have the same name, or two files the same path and time.
    """
    if len({item.name for item in instruments}) < len(instruments):
        raise ValueError("two instruments have the same name")
    planned = sorted(
        (item for instrument in instruments for item in instrument.plan(setting)),
        key=lambda item: (item.arrives, item.path),
    )
    for one, other in pairwise(planned):
        if (one.path, one.arrives) == (other.path, other.arrives):
            raise ValueError(f"{one.path}: planned twice for {one.arrives}")
    return planned


def file_count(setting: Setting, *, mess: Mess | None = None, instruments: Sequence[Instrument] = INSTRUMENTS) -> int:
    """How many files `write_feed` would write."""
    return len(disturb(plan(setting, instruments), mess))


def write_feed(
    setting: Setting,
    folder: Path,
    *,
    jobs: int = 2,
    mess: Mess | None = None,
    instruments: Sequence[Instrument] = INSTRUMENTS,
) -> Iterator[Path]:
    """Write all files into `folder`, yielding the path of each when it is there: see `send`."""
    for made in send(setting, folder, disturb(plan(setting, instruments), mess), jobs=jobs, mess=mess,
                     instruments=instruments):  # fmt: skip
        yield folder / made.sent.path


def send(
    setting: Setting,
    folder: Path,
    files: Sequence[Sent],
    *,
    jobs: int = 2,
    mess: Mess | None = None,
    instruments: Sequence[Instrument] = INSTRUMENTS,
    wait: Callable[[Sent], None] = lambda _: None,
) -> Iterator[Made]:
    """Make the files in `jobs` processes (in this one where 1) and let each appear whole, in the order given.

    Each is written under a hidden name and renamed; its time of modification is its time of arrival.

    Args:
        mess: its seed says where broken files are broken.
        wait: called before a file appears.

    Raises:
        WxcoreError: a worker process died.
        OSError: disk full, or a write error.
    """
    work = _Work(setting, folder.absolute(), tuple(instruments), mess.seed if mess else 0)
    with closing(_made_here(work, files) if jobs <= 1 else _made_by_workers(work, files, jobs)) as making:
        for made in making:
            wait(made.sent)
            path = folder / made.sent.path
            _hidden(folder, made.sent).replace(path)
            yield made


def _made_here(work: _Work, files: Sequence[Sent]) -> Generator[Made, None, None]:
    for sent in files:
        try:
            yield _make(work, sent)
        finally:
            _hidden(work.folder, sent).unlink(missing_ok=True)


def _made_by_workers(work: _Work, files: Sequence[Sent], jobs: int) -> Generator[Made, None, None]:
    """In order, with AHEAD files a worker under way; what is left hidden at an early end is deleted."""
    with TemporaryDirectory(prefix="wxcore-feed-") as place:
        # By a file: a process that ends before it has read all that multiprocessing sends it would block us for ever.
        (given := Path(place) / "work").write_bytes(pickle.dumps(work))
        yield from _pooled(work, given, files, jobs)


def _pooled(work: _Work, given: Path, files: Sequence[Sent], jobs: int) -> Generator[Made, None, None]:
    waiting: deque[tuple[Sent, Future[Made]]] = deque()
    rest = iter(files)
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (given,))
    try:
        with _one_thread():
            waiting.extend((sent, pool.submit(_make_one, sent)) for sent in islice(rest, jobs * AHEAD))
        while waiting:
            yield waiting[0][1].result()
            waiting.popleft()
            waiting.extend((sent, pool.submit(_make_one, sent)) for sent in islice(rest, 1))
    except BrokenProcessPool as cause:
        raise WxcoreError(
            f"{waiting[0][0].path}: a process that simulates files has died, killed or for want of memory: free some, "
            f"or use fewer --jobs",
            f"{waiting[0][0].path}：模拟进程意外终止（被杀死或内存不足）：请释放内存或减小 --jobs",
        ) from cause
    finally:
        pool.shutdown(cancel_futures=True)
        for sent, _ in waiting:
            _hidden(work.folder, sent).unlink(missing_ok=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that begin in here use one thread each: as many are at work as there are cores."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_work: list[_Work] = []
"""Of a worker process: what it makes."""


def _begin(given: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all: who began us ends us
    _work[:] = [pickle.loads(given.read_bytes())]


def _make_one(sent: Sent) -> Made:
    return _make(_work[0], sent)


def _make(work: _Work, sent: Sent) -> Made:
    """Make a file under its hidden name."""
    (maker,) = (item for item in work.makers if item.name == sent.planned.instrument)
    content = maker.make(work.setting, sent.planned)
    if sent.broken:
        content = broken_bytes(content, sent.broken, name_of(sent.planned), work.broken_seed)
    path = _hidden(work.folder, sent)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    arrived_ns = (sent.arrives - EPOCH) // timedelta(microseconds=1) * 1000
    os.utime(path, ns=(arrived_ns, arrived_ns))
    return Made(sent, len(content), hashlib.sha256(content).hexdigest())


def _hidden(folder: Path, sent: Sent) -> Path:
    """The name that a file has until it is complete, its own for each version: watchers take it for unfinished."""
    path = folder / sent.path
    return path.with_name(f".{path.name}.{sent.arrives:%Y%m%d%H%M%S%f}.part")

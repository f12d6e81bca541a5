"""A clock for the stages of a cycle: what takes how long, and how much memory. It costs nothing while nobody collects.

Threads may be in different stages at a time. Each moment is then shared out among them, and of stages within each other
the innermost has it: so the seconds of all stages add up to the time in which there was any stage at all.

Memory is the process's: the kernel's peak is read and forgotten at each begin and each end of a stage, and what it was
in between counts for all stages that were open then. Threads side by side thus share a peak: each has it as its own,
whoever took the memory. What is taken between stages is in no stage, but in the peak of the whole.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024.0
"""Kibibytes in a mebibyte: the kernel tells kibibytes."""

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What is written to CLEAR makes the kernel forget the largest resident set so far (proc(5), Linux 4.0)."""


@dataclass
class Stage:
    """One stage of what was collected.

    Attributes:
        path: its name, after the names of the stages around it in the same thread.
        seconds: wall clock, without stages within it, shared with other threads; they add up.
        busy_s: wall clock of all calls together, with what is within: beyond `seconds` where threads work side by side.
        calls: how often it was run; size: bytes that it was given to work on, 0 where nobody said.
        peak_mib: largest resident set of the process while it was open, with stages within it, and with what threads in
            other stages took meanwhile [MiB]; 0 where the system does not tell.
    """

    path: tuple[str, ...]
    seconds: float = 0.0
    busy_s: float = 0.0
    calls: int = 0
    size: int = 0
    peak_mib: float = 0.0

    @property
    def name(self) -> str:
        """The path as text."""
        return "/".join(self.path)


@dataclass
class Stages:
    """What `collecting` has seen so far: `table` in the order in which stages were first begun."""

    _found: dict[tuple[str, ...], Stage] = field(default_factory=dict)
    _open: dict[int, list[Stage]] = field(default_factory=dict)
    _last: float = 0.0
    _peak: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def table(self) -> tuple[Stage, ...]:
        """The stages; to be read when no thread is in one any more."""
        return tuple(self._found.values())

    @property
    def seconds(self) -> float:
        """In any stage [s]."""
        return sum(one.seconds for one in self._found.values())

    @property
    def peak_mib(self) -> float:
        """Largest resident set while it was collected, in stages and between them [MiB]; to be read after that."""
        return self._peak

    @contextmanager
    def running(self, name: str, size: int) -> Iterator[None]:
        """This thread is in the stage."""
        with self._lock:
            began = time.perf_counter()
            mine = self._open.get(threading.get_ident(), [])
            path = (*(mine[-1].path if mine else ()), name)
            own = self._found.setdefault(path, Stage(path))
            self._share(began)
            self._fold_peak()
            self._open[threading.get_ident()] = [*mine, own]
        try:
            yield
        finally:
            with self._lock:
                ended = time.perf_counter()
                self._share(ended)
                own.busy_s += ended - began
                own.calls += 1
                own.size += size
                self._fold_peak()
                if mine:
                    self._open[threading.get_ident()] = mine
                else:
                    del self._open[threading.get_ident()]

    @contextmanager
    def whole(self) -> Iterator[None]:
        """The peak of memory is of this block, and nothing of it is lost, in stages or not."""
        _forget_peak()
        try:
            yield
        finally:
            with self._lock:
                self._fold_peak()

    def _fold_peak(self) -> None:
        """The peak since the last begin or end, to all stages that are open and to the whole; the next one starts."""
        peak = peak_mib()
        self._peak = max(self._peak, peak)
        for one in (one for stack in self._open.values() for one in stack):
            one.peak_mib = max(one.peak_mib, peak)
        _forget_peak()

    def _share(self, now: float) -> None:
        """The time since the last begin or end, to the innermost stage of each thread that is in one."""
        for stack in self._open.values():
            stack[-1].seconds += (now - self._last) / len(self._open)
        self._last = now


@dataclass
class _Collector:
    """Who collects in this process; threads of a pool do not inherit context variables."""

    stages: Stages | None = None


_COLLECTOR = _Collector()


def stage(name: str, *, size: int = 0) -> AbstractContextManager[None]:
    """The `with` block is this stage of the work.

    Args:
        size: bytes that it works on, where known.
    """
    stages = _COLLECTOR.stages
    return nullcontext() if stages is None else stages.running(name, size)


@contextmanager
def collecting() -> Iterator[Stages]:
    """Collect the stages of this process, of all its threads, in the `with` block.

    Raises:
        RuntimeError: somebody collects already.
    """
    if _COLLECTOR.stages is not None:
        raise RuntimeError("stages are being collected already")
    stages = _COLLECTOR.stages = Stages()
    try:
        with stages.whole():
            yield stages
    finally:
        _COLLECTOR.stages = None


def peak_mib(status: Path = STATUS) -> float:
    """Largest resident set of the process of a /proc status file since its peak was last forgotten [MiB]; 0 where the
    system does not tell, or the process is gone."""
    with suppress(OSError):
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / MIB
    return 0.0


def _forget_peak() -> None:
    """Let the next peak be of what comes now; where the kernel will not, peaks are of the process so far."""
    with suppress(OSError):
        CLEAR.write_text(RESET_PEAK)

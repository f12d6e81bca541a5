"""What a fault gives back, and how a table of them is shown."""

import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

P99_S, KILL_S = 2.0, 20.0
"""RELIABILITY.md A1: p99 of one file, and the hard kill [s]."""

RECOVERY_S = 30.0
"""RELIABILITY.md B1: a restart works within [s]."""

NOTES_KEPT = 20


@dataclass(frozen=True)
class Outcome:
    """What became of one family of faults.

    Attributes:
        name: row of RELIABILITY.md and a word, such as "A1 swan".
        tried, held: how many faults were made, and after how many everything held.
        note: what did not hold, each with the recipe that makes it again.
        figures: measured values by name with their unit ("p99 [s]").
    """

    name: str
    tried: int
    held: int
    note: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Something was tried, and all of it held."""
        return 0 < self.tried == self.held


@dataclass(frozen=True)
class Fault:
    """One family: its row, a word for it, the numbers of CI (0: not there) and of the long run, what makes it."""

    row: str
    title: str
    small: int
    long: int
    make: Callable[[int, int, Path], Outcome]


@dataclass
class Tally:
    """Counts tries; what fails is kept with its recipe."""

    tried: int = 0
    held: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, recipe: str, faults: Sequence[str]) -> None:
        """One try: it held where `faults` is empty."""
        self.tried += 1
        self.held += not faults
        if faults:
            self.failures.append(f"{recipe}: {'; '.join(faults)}")

    def outcome(self, name: str, figures: dict[str, float] | None = None) -> Outcome:
        """The tally as an Outcome."""
        note = "\n".join(self.failures[:NOTES_KEPT])
        more = len(self.failures) - NOTES_KEPT
        return Outcome(name, self.tried, self.held, note + (f"\n… and {more} more" if more > 0 else ""), figures or {})


def recovery_limit_s() -> float:
    """RECOVERY_S [s]; where others keep the machine busier than it has cores, longer by as much."""
    return RECOVERY_S * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def percentile(values: Sequence[float], q: float) -> float:
    """q-th percentile, 0 where there is none."""
    return float(np.percentile(values, q)) if values else 0.0


def peak_mib() -> float:
    """Peak resident memory of this process [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work: Callable[[], Outcome]) -> Outcome:
    """The outcome with its wall-clock time among the figures."""
    began = time.monotonic()
    outcome = work()
    outcome.figures["took [s]"] = round(time.monotonic() - began, 1)
    return outcome


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """The table fault -> tried -> held, and what did not hold."""
    table = Table("fault", "tried", "held", "figures", title="RELIABILITY.md, faults made on purpose")
    for item in outcomes:
        figures = ", ".join(f"{name} {value:g}" for name, value in item.figures.items())
        colour = "green" if item.good else "red"
        table.add_row(item.name, str(item.tried), f"[{colour}]{item.held}[/]", escape(figures))
    console.print(table)
    for item in outcomes:
        if item.note:
            console.print(f"{item.name}: {item.note}", markup=False, highlight=False)

"""One measurement beside its peer or floor, and how a benchmark prints many: ratios within one run."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numba
from rich.table import Table

from wxcore.cli.show import SCREEN, print_json


@dataclass(frozen=True)
class Row:
    """One measurement: medians in seconds, and the ratio against its goal (`at_most` or at least)."""

    item: str
    ours: float
    other: float | None
    other_name: str
    ratio: float | None
    goal: float
    at_most: bool

    @property
    def held(self) -> bool | None:
        """Was the goal reached? None where the peer is not here."""
        if self.ratio is None:
            return None
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


def against(item: str, ours: float, limit: float, name: str = "goal") -> Row:
    """A figure that may not pass a limit in the same unit."""
    return Row(item, ours, limit, name, ours / limit, 1.0, at_most=True)


def timed(item: str, seconds: float, goal_s: float, machine: float) -> Row:
    """Seconds against a goal that was set on the reference machine.

    Args:
        machine: how much slower than that one this machine is now; 1 where nobody knows.
    """
    name = "goal" if machine == 1 else f"goal {goal_s:g} s x {machine:.2f}, this machine"
    return Row(item, seconds, goal_s * machine, name, seconds / (goal_s * machine), 1.0, at_most=True)


def show_rows(title: str, rows: Sequence[Row], *, as_json: bool) -> None:
    """A table on the screen, or JSON on stdout."""
    if as_json:
        machine = {"cpus": os.cpu_count(), "numba": numba.__version__, "python": sys.version.split()[0]}
        print_json({"machine": machine, "rows": [{**asdict(row), "held": row.held} for row in rows]})
        return
    table = Table(title=title)
    for heading in ("item", "ours", "other", "", "ratio", "goal", ""):
        table.add_column(heading)
    for row in rows:
        mark = {True: "✓", False: "✗", None: "–"}[row.held]
        other, ratio = (f"{value:.4f}" if value else "–" for value in (row.other, row.ratio))
        bound = f"{'≤' if row.at_most else '≥'} {row.goal:g}"
        table.add_row(row.item, f"{row.ours:.4f}", other, row.other_name, ratio, bound, mark)
    SCREEN.print(table)

"""`python -m tests.faults [--only A1,B1] [--scale small|long] [--json]`: the table fault -> tried -> held."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

from tests.faults.harness import Outcome, show, timed
from tests.faults.registry import FAULTS


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", default="", help="rows, such as A1,B1; all where empty")
    parser.add_argument("--match", default="", help="only faults whose name holds this word, such as odim")
    parser.add_argument("--scale", choices=("small", "long"), default="long")
    parser.add_argument("--n", type=int, default=0, help="this many of each instead of the scale's number")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--folder", type=Path, default=None, help="where to work; kept, a temporary one otherwise")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def run_all(asked: argparse.Namespace, folder: Path, console: Console) -> list[Outcome]:
    """Every fault that was asked for, one after the other."""
    rows = {word.strip().upper() for word in asked.only.split(",") if word.strip()}
    chosen = [fault for fault in FAULTS if (not rows or fault.row in rows) and asked.match in fault.title]
    chosen = [fault for fault in chosen if asked.scale == "long" or asked.n or fault.small]
    outcomes = []
    columns = (SpinnerColumn(), *Progress.get_default_columns()[:2], TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("faults", total=len(chosen))
        for number, fault in enumerate(chosen):
            bar.update(task, description=f"{fault.row} {fault.title}")
            place = folder / f"{number:02d}-{fault.row}"
            place.mkdir(parents=True)
            n = asked.n or (fault.small if asked.scale == "small" else fault.long)
            outcomes.append(timed(lambda fault=fault, n=n, place=place: fault.make(n, asked.seed, place)))  # type: ignore[misc]
            bar.advance(task)
            found = outcomes[-1]
            words = f"{found.name}: {found.held} of {found.tried} held, {found.figures}"
            bar.console.print(words, markup=False, highlight=False)
    return outcomes


def main() -> int:
    """Run, show, and say by the exit code whether everything held."""
    asked = arguments()
    console = Console(stderr=asked.json)
    if asked.folder is not None:
        outcomes = run_all(asked, asked.folder, console)
    else:
        with tempfile.TemporaryDirectory(prefix="wx-faults-") as folder:
            outcomes = run_all(asked, Path(folder), console)
    if asked.json:
        sys.stdout.write(json.dumps([asdict(item) for item in outcomes], ensure_ascii=False, indent=1) + "\n")
    else:
        show(outcomes, console)
    return 0 if outcomes and all(item.good for item in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

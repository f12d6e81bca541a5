"""`wx bench landing`: small files a second, landed and synced, and registered in a ledger (RELIABILITY.md B11)."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from wxcore.cli.show import SCREEN, print_json
from wxcore.landing.land import Landed, land_batch
from wxcore.landing.ledger import Arrival, Ledger, open_ledger, receive

COUNTS = (64, 250, 1000)
BATCH = 64
"""Files that are landed and registered together, as ingest does."""

FILE_BYTES = 4096
GOAL = 200.0
"""Files a second (RELIABILITY.md B11)."""


@dataclass(frozen=True)
class LandingRow:
    """So many small files: rates in files a second."""

    files: int
    landed: float
    registered: float
    goal: float = GOAL

    @property
    def held(self) -> bool:
        """Was the goal reached, registration included?"""
        return self.registered >= self.goal


def measure(count: int, folder: Path) -> LandingRow:
    """Land and register `count` files of FILE_BYTES in `folder`, whose disk is the one that is measured."""
    source = folder / "source"
    source.mkdir()
    paths = [source / f"{number:06d}.bin" for number in range(count)]
    for path in paths:
        path.write_bytes(os.urandom(FILE_BYTES))
    began = time.perf_counter()
    for batch in _batches(paths):
        land_batch(batch, folder / "landed")
    landed = count / (time.perf_counter() - began)
    ledger = open_ledger(folder / "ledger.sqlite")
    began = time.perf_counter()
    for batch in _batches(paths):
        _register(ledger, [item for item in land_batch(batch, folder / "registered") if isinstance(item, Landed)])
    return LandingRow(count, landed, count / (time.perf_counter() - began))


def _batches(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    return (paths[start : start + BATCH] for start in range(0, len(paths), BATCH))


def _register(ledger: Ledger, landed: Sequence[Landed]) -> None:
    now = datetime.now(UTC)
    receive(ledger, [Arrival(item.sha256, item.name, item.size, now, min(item.published_at, now)) for item in landed])


def bench_landing(
    folder: Annotated[
        Path | None, typer.Option("--on", help="Folder on the disk to measure; the temporary one. 待测磁盘目录")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Small files landed, synced and registered, files a second. 小文件落盘速度."""
    rows = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            rows.append(measure(count, Path(scratch)))
    if as_json:
        print_json({"machine": {"cpus": os.cpu_count()}, "rows": [{**asdict(row), "held": row.held} for row in rows]})
        return
    table = Table(title="wx bench landing [files/s]")
    for heading in ("files", "landed, synced", "and registered", "goal", ""):
        table.add_column(heading)
    for row in rows:
        mark = "✓" if row.held else "✗"
        table.add_row(str(row.files), f"{row.landed:.0f}", f"{row.registered:.0f}", f"≥ {row.goal:g}", mark)
    SCREEN.print(table)

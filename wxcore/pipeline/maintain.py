"""Upkeep of a home: do archive, ledger and landed files agree; forget by rule what is old."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from wxcore.archive.check import Checked, Fault, check_archive
from wxcore.archive.compact import compact
from wxcore.archive.expire import Expired, Retention, expire
from wxcore.archive.read import list_cycles
from wxcore.archive.recover import UNREADABLE
from wxcore.errors import ArchiveError
from wxcore.landing.land import landed_path
from wxcore.landing.ledger import (
    Ledger,
    conservation,
    count_expired,
    discard,
    discard_litter,
    expire_files,
    files_between,
    is_sound,
    prune_journal,
)
from wxcore.pipeline.agree import disagreeing, nothing_yet, unheard
from wxcore.pipeline.home import Home
from wxcore.pipeline.prepared import forget
from wxcore.region import Region
from wxcore.times import YEARS, iso

RAW_DAYS = 30
"""Landed files are kept so long [days]: cycles lost or wrong can be made again (RELIABILITY.md section 4: >= 24 h)."""

BLOCK = 2**20
START, END = datetime(YEARS[0], 1, 1, tzinfo=UTC), datetime(YEARS[1], 12, 31, tzinfo=UTC)


@dataclass(frozen=True)
class HomeChecked:
    """What `check_home` found. `files`: landed files that were looked at."""

    archive: Checked
    faults: tuple[Fault, ...]
    files: int


@dataclass(frozen=True)
class HomeExpired:
    """What `expire_home` forgot, or in a dry run would."""

    archive: Expired
    raw_files: int


def check_home(
    home: Home,
    region: Region,
    *,
    quick: int | None = None,
    deep: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> HomeChecked:
    """Read the archive back, and hold ledger, archive and landed files together.

    Args:
        quick: only this many of the newest cycles are read.
        deep: also read every landed file and compare it with its sha256.
        progress: called with (cycles read, cycles in all).
    """
    ledger = home.ledger()
    read, faults = Checked((), 0, 0, 0), _check_ledger(ledger)
    if not nothing_yet(home, region, ledger):
        read = check_archive(home.archive, region.id, quick=quick, progress=progress)
        faults = [*read.faults, *faults, *_check_cycles(home, region, ledger)]
    rows = files_between(ledger, START, END)
    for row in rows:
        faults += _check_file(landed_path(home.landing, row.sha256), row.name, row.size, row.sha256 if deep else "")
    return HomeChecked(read, tuple(faults), len(rows))


def _check_ledger(ledger: Ledger) -> list[Fault]:
    counts, faults = conservation(ledger), list[Fault]()
    if not counts.holds:
        parts = f"{counts.stored} + {counts.duplicate} + {counts.quarantined} + {counts.pending}"
        faults.append(Fault(
            f"ledger: {counts.received} files received, but stored + duplicate + quarantined + pending are {parts}: "
            "move it away, `wx archive recover` rebuilds it",
            f"台账：收到 {counts.received} 个文件，与入库 + 重复 + 隔离 + 待处理（{parts}）不符："
            "请移走台账，再运行 `wx archive recover` 重建",
        ))  # fmt: skip
    if not is_sound(ledger):
        faults.append(Fault(
            "ledger: the database finds itself damaged: `wx archive recover` rebuilds it",
            "台账：数据库自检发现损坏：请运行 `wx archive recover` 重建",
        ))  # fmt: skip
    return faults


def _check_cycles(home: Home, region: Region, ledger: Ledger) -> list[Fault]:
    try:
        differing = set(disagreeing(home, region, ledger)) - unheard(home, region, ledger)
    except (ArchiveError, *UNREADABLE):  # check_archive has told it
        return []
    return [
        Fault(
            f"cycle {iso(time)}: the archive's version is not the ledger's: `wx archive recover` runs it again",
            f"{iso(time)}：归档版本与台账不一致：请运行 `wx archive recover` 重新运行该时次",
            time=time,
        )
        for time in sorted(differing)
    ]


def _check_file(path: Path, name: str, size: int, sha256: str) -> list[Fault]:
    if not path.is_file():
        found_en, found_zh = "its landed bytes are gone", "落地文件缺失"
    elif path.stat().st_size != size:
        found_en, found_zh = f"{path.stat().st_size} bytes landed, expected {size}", f"落地 {path.stat().st_size} 字节"
    elif sha256 and _sha256(path) != sha256:
        found_en, found_zh = "its landed bytes have changed", "落地内容已改变"
    else:
        return []
    return [Fault(
        f"{name}: {found_en}: ingest it again where you have it", f"{name}：{found_zh}：如有原文件请重新导入",
        file=str(path),
    )]  # fmt: skip


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def finished_days(home: Home, region: Region, now: datetime) -> list[date]:
    """UTC days of the archive that are over, ascending."""
    return sorted({time.date() for time in list_cycles(home.archive, region.id) if time.date() < now.date()})


def compact_days(home: Home, region: Region, days: list[date], *, progress: Callable[[], None]) -> dict[date, bool]:
    """Make the daily view of each day; True where it was not there yet."""
    done = {}
    for day in days:
        done[day] = compact(home.archive, region.id, day).new
        progress()
    return done


def expire_home(
    home: Home, region: Region, retention: Retention, raw_days: int, now: datetime, *, dry_run: bool = False
) -> HomeExpired:
    """Forget old versions and days of the archive, and landed files with their receipts; never a warning.

    Args:
        raw_days: landed files received before so many days go, and what says of them in the ledger.
    """
    before = now - timedelta(days=raw_days)
    done = expire(home.archive, region.id, retention, now, dry_run=dry_run)
    if dry_run:
        return HomeExpired(done, count_expired(home.ledger(), before))
    forget(home)
    ledger, gone = home.ledger(), 0
    while names := expire_files(ledger, before):
        discard(ledger, home.landing, names)
        gone += len(names)
    discard_litter(ledger, home.landing, before)
    prune_journal(ledger, before)
    return HomeExpired(done, gone)

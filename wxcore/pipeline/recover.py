"""Make a home whole again after a crash, a power cut or a lost ledger (RELIABILITY.md B1, B14).

The ledger is rebuilt from its journals; the archive goes back to its newest whole commit; the cycles whose commits
were lost are run again from the landed files. Where nothing is wrong nothing is changed, and it takes some 0.2 s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from filelock import FileLock

from wxcore.archive.recover import recover
from wxcore.errors import LedgerError, WxcoreError
from wxcore.landing.land import clean_incoming
from wxcore.landing.ledger import (
    Ledger,
    catch_up,
    has_events,
    is_damaged,
    is_empty,
    is_sound,
    last_snapshot,
    mark_stale,
    marked_stale,
    open_ledger,
    rebuild,
)
from wxcore.pipeline.agree import disagreeing
from wxcore.pipeline.catchup import CUT_OFF
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.report import project_drafts, publish
from wxcore.pipeline.result import RunResult
from wxcore.region import Region
from wxcore.times import iso

SOUND, REBUILT = "sound", "rebuilt"
LOCK = "recover.lock"
LEFTOVER_S = 3600.0
"""Half-copied files of the landing tree older than this belong to nobody any more [s]."""


@dataclass(frozen=True)
class Recovered:
    """What was found and done.

    Attributes:
        ledger: SOUND, or REBUILT from its journals.
        archive: what `archive.recover` did: clean, adopted, reset, restored, rebuilt.
        lost: cycles whose newest commit was torn; rerun: cycles run again; failed: those that could not be.
    """

    ledger: str
    archive: str
    lost: tuple[datetime, ...]
    rerun: tuple[datetime, ...]
    failed: tuple[tuple[datetime, WxcoreError], ...]

    @property
    def clean(self) -> bool:
        """Was nothing wrong?"""
        return self.ledger == SOUND and self.archive == "clean" and not self.rerun and not self.failed

    @property
    def words(self) -> tuple[str, str]:
        """What was done, English and Chinese, in one line."""
        lost = ", ".join(iso(time) for time in self.lost) or "-"
        failed = ", ".join(iso(time) for time, _ in self.failed) or "-"
        return (
            f"recovered: ledger {self.ledger}, archive {self.archive}; cycles whose commits were lost: {lost}; "
            f"{len(self.rerun)} cycles run again; failed: {failed}",
            f"已恢复：台账 {self.ledger}，归档 {self.archive}；提交丢失的时次：{lost}；"
            f"已重新运行 {len(self.rerun)} 个时次；失败：{failed}",
        )


def recover_home(
    home: Home,
    region: Region,
    *,
    thorough: bool = False,
    rerun: bool = True,
    progress: Callable[[datetime], None] | None = None,
) -> Recovered:
    """Bring ledger and archive of a region to a state that agrees with the disk.

    Args:
        thorough: also check every page of the ledger (seconds for a large one), not only that it opens.
        rerun: run the cycles again whose commits were lost; else they are only marked for the watch to run.
        progress: called before each cycle that is run again.

    Raises:
        LedgerError, ArchiveError: what cannot be mended, with what to do.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    with FileLock(home.root / LOCK):
        ledger, rebuilt = _whole_ledger(home, thorough=thorough)
        clean_incoming(home.landing, LEFTOVER_S)
        archive = recover(home.archive, region.id, last_snapshot(ledger, region.id))
        compared = thorough or rebuilt or archive.action != "clean"
        torn = disagreeing(home, region, ledger) if compared else marked_stale(ledger, region.id)
        torn = sorted({*torn, *archive.lost})
        mark_stale(ledger, region.id, torn)
        project_drafts(home, region, ledger, datetime.now(UTC))
    done, failed = _run_again(home, region, torn, progress) if rerun else ([], [])
    return Recovered(REBUILT if rebuilt else SOUND, archive.action, archive.lost, tuple(done), tuple(failed))


def _whole_ledger(home: Home, *, thorough: bool) -> tuple[Ledger, bool]:
    """The ledger, and whether it had to be rebuilt."""
    try:
        ledger = home.ledger()
        if (not thorough or is_sound(ledger)) and (done := catch_up(ledger)) is not None:
            return ledger, done > 0
    except LedgerError as error:
        damaged = home.ledger_file is not None and is_damaged(error)
        if not damaged and not _forgotten(home):
            raise
    else:
        damaged = True
    if damaged:
        _move_aside(home)
    rebuild(open_ledger(home.ledger_at), home.landing, home.warnings)
    return home.ledger(), True


def _forgotten(home: Home) -> bool:
    """Is the database empty although its journals are not?"""
    return has_events(home.landing, home.warnings) and is_empty(open_ledger(home.ledger_at))


def _move_aside(home: Home) -> None:
    """A damaged SQLite file is kept for whoever wants to look; its -wal and -shm go with it."""
    if home.ledger_file is None:
        raise LedgerError(
            "the ledger's database is older than its journals: empty it, then run `wx archive recover`, which fills it",
            "台账数据库落后于日志：请清空该数据库，再运行 `wx archive recover` 重建",
        )
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for path in home.root.glob(f"{home.ledger_file.name}*"):
        path.rename(path.with_name(f"torn-{stamp}-{path.name}"))


def _run_again(
    home: Home,
    region: Region,
    torn: list[datetime],
    progress: Callable[[datetime], None] | None,
) -> tuple[list[datetime], list[tuple[datetime, WxcoreError]]]:
    done: list[datetime] = []
    failed: list[tuple[datetime, WxcoreError]] = []
    for when in torn:
        if progress is not None:
            progress(when)
        try:
            cycle = run_cycle(home, region, when, issue=datetime.now(UTC) - when <= CUT_OFF)
            publish(home, region, RunResult(region.id, cycle.inputs, (cycle,)), report=False)
        except WxcoreError as error:
            failed.append((when, error))
        else:
            done.append(when)
    return done, failed

"""Do archive and ledger tell the same of every cycle?"""

from datetime import UTC, date, datetime
from itertools import takewhile

from wxcore.archive.log import commits
from wxcore.archive.read import list_cycles, list_fingerprints, list_views
from wxcore.archive.recover import UNREADABLE
from wxcore.errors import ArchiveError
from wxcore.landing.ledger import Ledger, cycles_between, find_lease, is_alive, last_snapshot
from wxcore.pipeline.home import Home
from wxcore.region import Region


def disagreeing(home: Home, region: Region, ledger: Ledger) -> list[datetime]:
    """Cycles whose newest version in the archive is not the one in the ledger, ascending.

    Left out are days whose cubes have expired (they have their view, or are older than everything that is kept), and
    cycles that a living run works on.
    """
    archived = list_fingerprints(home.archive, region.id)
    told = {row.time: row.fingerprint for row in cycles_between(ledger, region.id)}
    cubes, views = {time.date() for time in archived}, list_views(home.archive, region.id)
    oldest = min(cubes | views, default=date.max)
    differing = [time for time in archived.keys() | told.keys() if archived.get(time) != told.get(time)]
    kept = [time for time in differing if time.date() in cubes or (time.date() not in views and time.date() > oldest)]
    candidates = kept if cubes | views else differing
    return sorted(time for time in candidates if not _at_work(ledger, region, time))


def unheard(home: Home, region: Region, ledger: Ledger) -> set[datetime]:
    """Cycles with whole commits that came after the one that the ledger heard of last: the next start takes them up."""
    recorded = last_snapshot(ledger, region.id)
    history = commits(home.archive, region.id)
    ahead = list(takewhile(lambda record: record.snapshot_id != recorded, history))
    is_known = recorded is None or len(ahead) < len(history)
    return {record.cycle for record in ahead} if is_known else set()


def nothing_yet(home: Home, region: Region, ledger: Ledger) -> bool:
    """Whether no cycle was ever published: an archive whose very first commit was cut short holds nothing to read."""
    if last_snapshot(ledger, region.id) is not None:
        return False
    try:
        return not list_cycles(home.archive, region.id)
    except (ArchiveError, *UNREADABLE):
        return True


def _at_work(ledger: Ledger, region: Region, when: datetime) -> bool:
    lease = find_lease(ledger, region.id, when)
    return lease is not None and is_alive(lease, datetime.now(UTC))

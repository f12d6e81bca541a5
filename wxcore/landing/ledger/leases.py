"""Leases with fencing tokens: of several runs of one cycle exactly one may publish (RELIABILITY.md B5, B8).

A lease is a hint that somebody works; the token is what decides. Every lease on a cycle has a higher token than the
one before it, and a publish is refused as soon as there is a higher one, whatever anybody's clock says.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from wxcore.errors import LedgerError
from wxcore.landing.ledger.engine import reading, writing
from wxcore.landing.ledger.tables import Ledger
from wxcore.landing.ledger.work_tables import LEASES
from wxcore.times import iso, require_utc

LEASE_S = 90.0
"""A lease that is not renewed is dead after this [s] (RELIABILITY.md B8)."""

HEARTBEAT_S = 30.0
"""Time between renewals [s]: two may fail (RELIABILITY.md B8)."""

SKEW_S = 5.0
"""How far the clocks of two machines that share a ledger may differ [s]; with NTP it is far less than a second."""

_PROC = Path("/proc")


@dataclass(frozen=True)
class Lease:
    """The right to publish one cycle, until somebody else gets a higher `token`. `holder` is empty once released."""

    region: str
    time: datetime
    holder: str
    token: int
    expires_at: datetime
    acquired_at: datetime


def acquire_lease(
    ledger: Ledger, region: str, when: datetime, *, holder: str, now: datetime | None = None
) -> Lease | None:
    """Take the lease on a cycle, with a token higher than any before.

    The same holder may take it again at once: its earlier self is superseded like any other. So is a lease whose
    process is seen to be gone from this machine (see `process_holder`).

    Args:
        holder: who asks, not empty: a name that no other run has.

    Returns:
        None: somebody else's lease is alive.

    Raises:
        LedgerError: an empty `holder`.
        TimeError: a naive time.
    """
    if not holder:
        raise LedgerError("a lease needs the name of its holder, found ''", "租约须写明持有者，现为空")
    time = require_utc(when)
    with writing(ledger) as transaction:
        now, connection = _now(now), transaction.connection  # in here: other writers may have kept us waiting
        known = _current(connection, region, time)
        if known is not None and known.holder != holder and is_alive(known, now):
            return None
        token = 1 if known is None else known.token + 1
        lease = Lease(region, time, holder, token, now + timedelta(seconds=LEASE_S), now)
        if known is None:
            connection.execute(insert(LEASES).values(asdict(lease)))
        else:
            connection.execute(update(LEASES).where(_same_token(known)).values(asdict(lease)))
    return lease


def renew_lease(ledger: Ledger, lease: Lease, *, now: datetime | None = None) -> Lease:
    """Let a lease live for LEASE_S from now; also one that is dead by the clock, if nobody has taken it over.

    Raises:
        LedgerError: its token is no longer the current one, or it was released.
        TimeError: a naive time.
    """
    with writing(ledger) as transaction:
        connection = transaction.connection
        renewed = replace(lease, expires_at=_now(now) + timedelta(seconds=LEASE_S))
        check_lease(connection, lease)
        connection.execute(update(LEASES).where(_same_token(lease)).values(expires_at=renewed.expires_at))
    return renewed


def check_lease(connection: Connection, lease: Lease) -> None:
    """Refuse a lease that was superseded or released; call it inside the transaction that publishes.

    Raises:
        LedgerError: its token is no longer the current one, or it was released.
    """
    known = _current(connection, lease.region, lease.time)
    if known is not None and (known.token, known.holder) == (lease.token, lease.holder):
        return
    what = f"{lease.region} {iso(lease.time)}"
    found_en = "none" if known is None else f"token {known.token} of {known.holder or 'nobody (released)'}"
    found_zh = "无租约" if known is None else f"令牌 {known.token}（{known.holder or '已释放'}）"
    raise LedgerError(
        f"{what}: the lease of {lease.holder} (token {lease.token}) is no longer valid, found {found_en}: this run "
        "publishes nothing; another run has taken the cycle over, or run it again",
        f"{what}：{lease.holder} 的租约（令牌 {lease.token}）已失效，当前为{found_zh}：本次运行不得发布；"
        "该时次已由其他进程接管，或请重新运行",
    )


def fence(ledger: Ledger, lease: Lease) -> None:
    """`check_lease` in a read transaction of its own: for the archive's writer, called under its lock.

    Raises:
        LedgerError: its token is no longer the current one, or it was released.
    """
    with reading(ledger) as connection:
        check_lease(connection, lease)


def release_lease(ledger: Ledger, lease: Lease, *, now: datetime | None = None) -> bool:
    """Give a lease back, so that the next one need not wait; its own token may publish no more.

    Returns:
        False where it was superseded or released already: nothing changes then.
    """
    here = and_(_same_token(lease), LEASES.c.holder == lease.holder)
    with writing(ledger) as transaction:
        released = update(LEASES).where(here).values(holder="", expires_at=_now(now))
        return transaction.connection.execute(released).rowcount == 1


def find_lease(ledger: Ledger, region: str, when: datetime) -> Lease | None:
    """The newest lease on a cycle, alive or not, or None."""
    with reading(ledger) as connection:
        return _current(connection, region, require_utc(when))


@contextmanager
def held(ledger: Ledger, region: str, when: datetime, holder: str) -> Iterator[Lease]:
    """Hold the lease on a cycle: renewed every HEARTBEAT_S from a thread, released at the end, also on errors.

    A renewal that fails does not interrupt the work: the fence refuses its publish, and the error raised then carries
    the failure as a note.

    Args:
        holder: as for `acquire_lease`; `process_holder()` where there is no better name.

    Raises:
        LedgerError: busy: somebody else's lease is alive.
    """
    lease = acquire_lease(ledger, region, when, holder=holder)
    if lease is None:
        raise _busy(region, when, find_lease(ledger, region, when))
    done, failures = threading.Event(), list[LedgerError]()
    beat = threading.Thread(target=_renew_until, args=(ledger, lease, done, failures), name="lease", daemon=True)
    beat.start()
    try:
        yield lease
    except BaseException as error:
        for failure in failures:
            error.add_note(f"the lease could not be renewed: {failure}")
        raise
    finally:
        done.set()
        beat.join()
        with suppress(LedgerError):  # it ends by itself; what the work raised counts more
            release_lease(ledger, lease)


def _renew_until(ledger: Ledger, lease: Lease, done: threading.Event, failures: list[LedgerError]) -> None:
    while not done.wait(HEARTBEAT_S):
        try:
            renew_lease(ledger, lease)
        except LedgerError as failure:  # superseded, or the database is away and may be back at the next beat
            failures[:] = [failure]


def _busy(region: str, when: datetime, known: Lease | None) -> LedgerError:
    what = f"{region} {iso(when)}"
    if known is None or not known.holder:
        return LedgerError(
            f"{what}: busy, another run had it a moment ago: try again", f"{what}：刚才被其他进程占用，请重试"
        )
    since, until = iso(known.acquired_at), iso(known.expires_at)
    return LedgerError(
        f"{what}: busy, held by {known.holder} since {since}, until {until} unless renewed: wait for it, or stop that "
        "process and try again after this time",
        f"{what}：正由 {known.holder} 处理（始于 {since}，未续期则至 {until}）：请等待，或停止该进程后在此时刻之后重试",
    )


def process_holder() -> str:
    """A name for this process that no other has, and by which its death can be seen from this machine."""
    pid = os.getpid()
    started = _started(pid)
    return f"{socket.gethostname()}/{_machine()}/{pid}/{started or uuid4().hex}"


def _machine() -> str:
    """This boot of this machine and this space of process ids; empty where the system does not tell."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Start of a process [ticks since boot]; empty where there is no such process, or only its zombie."""
    try:
        state, *fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in {"Z", "X"} else fields[18]


def _gone(holder: str) -> bool:
    """Whether `holder` is a `process_holder` of this very machine whose process has ended."""
    machine, _, rest = holder.partition("/")[2].partition("/")
    pid, _, started = rest.partition("/")
    if not machine or machine != _machine() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)  # only asks; a process of another user may be hidden in /proc, not from this
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return _started(int(pid)) != started


def is_alive(lease: Lease, now: datetime) -> bool:
    """Whether a lease still keeps others out; an end further off than a lease lives is from a clock that was ahead.

    Raises:
        TimeError: a naive time.
    """
    left = lease.expires_at - require_utc(now)
    return bool(lease.holder) and timedelta() < left <= timedelta(seconds=LEASE_S + SKEW_S) and not _gone(lease.holder)


def _same_token(lease: Lease) -> ColumnElement[bool]:
    table = LEASES.c
    return and_(table.region == lease.region, table.time == lease.time, table.token == lease.token)


def _current(connection: Connection, region: str, time: datetime) -> Lease | None:
    wanted = select(LEASES).where(LEASES.c.region == region, LEASES.c.time == time)
    row = connection.execute(wanted).mappings().one_or_none()
    return None if row is None else Lease(**row)


def _now(now: datetime | None) -> datetime:
    return datetime.now(UTC) if now is None else require_utc(now)

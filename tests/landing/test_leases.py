"""Of several runs of one cycle exactly one publishes, whatever stops, dies, or has a wrong clock."""

import multiprocessing
import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from wxcore.errors import LedgerError, TimeError
from wxcore.landing.ledger import Ledger, leases, open_ledger
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.leases import (
    HEARTBEAT_S,
    LEASE_S,
    SKEW_S,
    Lease,
    acquire_lease,
    check_lease,
    fence,
    find_lease,
    held,
    process_holder,
    release_lease,
    renew_lease,
)
from wxcore.times import BEIJING

NOON = datetime(2020, 6, 12, 5, 42, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SPAWN = multiprocessing.get_context("spawn")
RACERS, RACED_CYCLES = 4, 120


def take(ledger: Ledger, holder: str, after_s: float = 0, region: str = "r") -> Lease | None:
    return acquire_lease(ledger, region, NOON, holder=holder, now=NOON + after_s * SECOND)


def must_take(ledger: Ledger, holder: str, after_s: float = 0, region: str = "r") -> Lease:
    lease = take(ledger, holder, after_s, region)
    assert lease is not None
    return lease


def passes(ledger: Ledger, lease: Lease) -> bool:
    try:
        fence(ledger, lease)
    except LedgerError:
        return False
    return True


def publish(ledger: Ledger, lease: Lease) -> bool:
    """Publish as the chain does: the token is checked in the transaction that makes the cycle visible."""
    try:
        with writing(ledger) as transaction:
            check_lease(transaction.connection, lease)
            row = {"region": lease.region, "holder": lease.holder, "time": lease.time.isoformat()}
            transaction.connection.execute(text("INSERT INTO publishes VALUES (:region, :time, :holder)"), row)
    except LedgerError:
        return False
    return True


@pytest.fixture
def publishes(ledger: Ledger) -> Ledger:
    with writing(ledger) as transaction:
        transaction.connection.execute(text("CREATE TABLE publishes (region TEXT, time TEXT, holder TEXT)"))
    return ledger


def published(ledger: Ledger) -> list[tuple[str, str, str]]:
    with ledger.reader.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT region, time, holder FROM publishes"))]


class TestOneHolder:
    def test_the_second_waits_until_the_first_is_dead(self, ledger: Ledger) -> None:
        first = must_take(ledger, "a")
        assert (first.token, first.expires_at) == (1, NOON + LEASE_S * SECOND)
        assert take(ledger, "b", LEASE_S - 0.001) is None
        second = must_take(ledger, "b", LEASE_S)
        assert second.token == 2
        assert (passes(ledger, first), passes(ledger, second)) == (False, True)

    def test_cycles_and_regions_do_not_wait_for_each_other(self, ledger: Ledger) -> None:
        must_take(ledger, "a")
        must_take(ledger, "b", region="q")
        assert acquire_lease(ledger, "r", NOON + timedelta(minutes=6), holder="b", now=NOON) is not None
        assert acquire_lease(ledger, "r", NOON.astimezone(BEIJING), holder="b", now=NOON) is None

    def test_a_dead_lease_that_nobody_took_may_publish(self, ledger: Ledger) -> None:
        lease = must_take(ledger, "a")
        assert passes(ledger, lease)  # 2020 is long past its end by the clock of today
        renewed = renew_lease(ledger, lease, now=NOON + 1000 * SECOND)
        assert renewed.expires_at == NOON + (1000 + LEASE_S) * SECOND
        assert take(ledger, "b", 1000 + LEASE_S - 1) is None

    def test_heartbeats_keep_it(self, ledger: Ledger) -> None:
        lease = must_take(ledger, "a")
        for beat in range(1, 8):
            now = beat * HEARTBEAT_S
            lease = renew_lease(ledger, lease, now=NOON + now * SECOND)
            assert take(ledger, "b", now + 2 * HEARTBEAT_S + 1) is None  # two beats may fail

    def test_after_release_no_token_comes_twice(self, ledger: Ledger) -> None:
        first = must_take(ledger, "a")
        assert release_lease(ledger, first)
        assert not release_lease(ledger, first)
        assert not passes(ledger, first)
        second = must_take(ledger, "b", 1)
        assert second.token == 2
        assert not release_lease(ledger, first)
        assert take(ledger, "c", 2) is None
        with pytest.raises(LedgerError, match=r"token 2 of b"):
            renew_lease(ledger, first)

    def test_the_same_holder_starts_again_at_once(self, ledger: Ledger) -> None:
        before = must_take(ledger, "a")
        after = must_take(ledger, "a", 1)
        assert (after.token, passes(ledger, before), passes(ledger, after)) == (2, False, True)

    def test_a_clock_that_was_ahead(self, ledger: Ledger) -> None:
        ahead = must_take(ledger, "a", 3600)
        assert take(ledger, "b", 3600) is None
        second = must_take(ledger, "b", 0)  # its end is an hour and more away: no lease lives that long
        assert (passes(ledger, ahead), passes(ledger, second)) == (False, True)
        first = must_take(ledger, "a", region="q")
        renew_lease(ledger, first, now=NOON - 3600 * SECOND)  # the clock stepped back under its holder
        assert take(ledger, "b", -3600 + LEASE_S - 1, region="q") is None
        assert take(ledger, "b", -3600 + LEASE_S, region="q") is not None

    def test_a_rebuilt_ledger_counts_anew_and_still_refuses(self, ledger: Ledger) -> None:
        lost = must_take(ledger, "a")
        with writing(ledger) as transaction:
            transaction.connection.execute(text("DELETE FROM leases"))
        with pytest.raises(LedgerError, match="found none"):
            fence(ledger, lost)
        assert must_take(ledger, "b").token == lost.token
        assert not passes(ledger, lost)

    def test_nonsense_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(LedgerError, match="name of its holder"):
            take(ledger, "")
        with pytest.raises(TimeError):
            acquire_lease(ledger, "r", NOON, holder="a", now=datetime(2020, 6, 12))  # noqa: DTZ001
        with pytest.raises(TimeError):
            acquire_lease(ledger, "r", NOON.replace(tzinfo=None), holder="a")


class TestHeld:
    def test_released_at_the_end_and_on_errors(self, ledger: Ledger) -> None:
        with held(ledger, "r", NOON, "a") as lease:
            fence(ledger, lease)
        assert not passes(ledger, lease)
        with pytest.raises(ZeroDivisionError), held(ledger, "r", NOON, "b") as lease:
            _ = 1 / 0
        assert lease.token == 2
        assert not passes(ledger, lease)

    def test_busy_says_who_and_until_when(self, ledger: Ledger) -> None:
        now = datetime.now(UTC)
        other = acquire_lease(ledger, "r", NOON, holder="forecaster", now=now)
        assert other is not None
        with pytest.raises(LedgerError) as caught, held(ledger, "r", NOON, "a"):
            pytest.fail("two at once")
        for told in (caught.value.en, caught.value.zh):
            assert "forecaster" in told
            assert "2020-06-12T05:42:00Z" in told
            assert f"{now:%Y-%m-%dT%H:%M:%SZ}" in told
            assert f"{other.expires_at:%Y-%m-%dT%H:%M:%SZ}" in told
        assert passes(ledger, other)

    def test_it_is_renewed(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leases, "HEARTBEAT_S", 0.01)
        with held(ledger, "r", NOON, "a") as lease:
            ends = {lease.expires_at}
            while len(ends) < 4:
                known = find_lease(ledger, "r", NOON)
                assert known is not None
                assert (known.token, known.acquired_at) == (1, lease.acquired_at)
                ends.add(known.expires_at)

    def test_superseded_while_held(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leases, "HEARTBEAT_S", 0.01)
        tried = threading.Event()

        def renew(*args: object, **kwargs: object) -> None:
            try:
                renew_lease(*args, **kwargs)  # type: ignore[arg-type]
            except LedgerError:
                tried.set()
                raise

        monkeypatch.setattr(leases, "renew_lease", renew)

        def work() -> None:
            with held(ledger, "r", NOON, "a") as lease:
                acquire_lease(ledger, "r", NOON, holder="b", now=datetime.now(UTC) + 2 * LEASE_S * SECOND)
                assert tried.wait(60)
                fence(ledger, lease)

        with pytest.raises(LedgerError, match="token 2 of b") as caught:
            work()
        assert "could not be renewed" in "".join(caught.value.__notes__)
        other = find_lease(ledger, "r", NOON)
        assert other is not None
        assert (other.holder, passes(ledger, other)) == ("b", True)  # the end of the first took nothing from it


class Races(RuleBasedStateMachine):
    """Holders with one clock that may step; the oracle is a list of what was granted, in order."""

    def __init__(self, ledger: Ledger, region: str) -> None:
        super().__init__()
        self.ledger, self.region, self.now = ledger, region, NOON
        self.granted: list[Lease] = []
        self.ended_at: datetime | None = None
        """When the newest lease ends by what its holder was told; None once released."""

    @rule(step=st.sampled_from([0.5, HEARTBEAT_S, LEASE_S - 1, LEASE_S, 1000, -SKEW_S, -LEASE_S - 1, -4000]))
    def clock(self, step: float) -> None:
        self.now += step * SECOND

    @rule(holder=st.sampled_from("abc"))
    def acquire(self, holder: str) -> None:
        lease = acquire_lease(self.ledger, self.region, NOON, holder=holder, now=self.now)
        left = (self.ended_at - self.now) / SECOND if self.ended_at else 0
        own = bool(self.granted) and self.granted[-1].holder == holder
        assert (lease is None) == (0 < left <= LEASE_S + SKEW_S and not own)
        if lease is not None:
            assert lease.token == len(self.granted) + 1
            self.granted.append(lease)
            self.ended_at = lease.expires_at

    @rule(which=st.integers(0, 5))
    def renew(self, which: int) -> None:
        for age, lease in self.some(which):
            if age == 0 and self.ended_at:
                self.ended_at = renew_lease(self.ledger, lease, now=self.now).expires_at
                assert self.ended_at == self.now + LEASE_S * SECOND
            else:
                with pytest.raises(LedgerError):
                    renew_lease(self.ledger, lease, now=self.now)

    @rule(which=st.integers(0, 5))
    def release(self, which: int) -> None:
        for age, lease in self.some(which):
            alive = age == 0 and self.ended_at is not None
            assert release_lease(self.ledger, lease, now=self.now) == alive
            if alive:
                self.ended_at = None

    def some(self, which: int) -> list[tuple[int, Lease]]:
        return list(enumerate(reversed(self.granted)))[which : which + 1]

    @invariant()
    def only_the_newest_passes(self) -> None:
        allowed = [lease.token for lease in self.granted[-4:] if passes(self.ledger, lease)]
        newest = [self.granted[-1].token] if self.ended_at else []
        assert allowed == newest


def test_any_history(ledger: Ledger) -> None:
    class Here(Races):
        def __init__(self) -> None:
            super().__init__(ledger, uuid4().hex)

    run_state_machine_as_test(Here, settings=settings(max_examples=25, stateful_step_count=25, deadline=None))


def _race(url: str, name: str, start: Barrier) -> None:
    ledger = open_ledger(url)
    start.wait(60)
    for number in range(RACED_CYCLES):
        lease = acquire_lease(ledger, "r", NOON + number * timedelta(minutes=6), holder=name)
        if lease is not None:
            assert publish(ledger, lease)


def test_racing_processes_publish_each_cycle_once(ledger_url: str, publishes: Ledger) -> None:
    start = SPAWN.Barrier(RACERS)
    racers = [SPAWN.Process(target=_race, args=(ledger_url, f"racer-{number}", start)) for number in range(RACERS)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(120)
        assert racer.exitcode == 0
    rows = published(publishes)
    assert len(rows) == RACED_CYCLES
    assert len({time for _, time, _ in rows}) == RACED_CYCLES


def _work(url: str, pipe: Pipe) -> None:
    ledger = open_ledger(url)
    long_ago = datetime.now(UTC) - (LEASE_S - HEARTBEAT_S) * SECOND
    lease = acquire_lease(ledger, "r", NOON, holder="zombie", now=long_ago)
    assert lease is not None
    pipe.send(os.getpid())
    pipe.recv()  # it is stopped here, as a machine that hangs would be
    pipe.send(publish(ledger, lease))


def test_a_zombie_does_not_publish(ledger_url: str, publishes: Ledger) -> None:
    here, there = SPAWN.Pipe()
    zombie = SPAWN.Process(target=_work, args=(ledger_url, there))
    zombie.start()
    assert here.poll(60)
    pid = here.recv()
    os.kill(pid, signal.SIGSTOP)
    here.send("go on")
    assert acquire_lease(publishes, "r", NOON, holder="new") is None  # a stopped holder may come back in time
    lease = acquire_lease(publishes, "r", NOON, holder="new", now=datetime.now(UTC) + (HEARTBEAT_S + 1) * SECOND)
    assert lease is not None
    assert published(publishes) == []
    os.kill(pid, signal.SIGCONT)
    assert here.poll(60)
    assert here.recv() is False
    assert publish(publishes, lease)
    zombie.join(60)
    assert [holder for *_, holder in published(publishes)] == ["new"]


def _hold_and_wait(url: str, pipe: Pipe) -> None:
    ledger = open_ledger(url)
    assert acquire_lease(ledger, "r", NOON, holder=process_holder()) is not None
    pipe.send("held")
    pipe.recv()


def test_a_killed_process_is_not_waited_for(ledger_url: str, ledger: Ledger) -> None:
    here, there = SPAWN.Pipe()
    holder = SPAWN.Process(target=_hold_and_wait, args=(ledger_url, there))
    holder.start()
    assert here.poll(60)
    assert acquire_lease(ledger, "r", NOON, holder=process_holder()) is None
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join(60)
    lease = acquire_lease(ledger, "r", NOON, holder=process_holder())
    assert lease is not None
    assert lease.token == 2
    fence(ledger, lease)


@pytest.mark.parametrize("holder", ["duty/elsewhere-1/1/5", "duty//1/5", "duty", "a/b/c/d", "//", f"x/y/{2**70}/1"])
def test_of_others_nobody_knows_whether_they_live(ledger: Ledger, holder: str) -> None:
    must_take(ledger, holder)
    assert take(ledger, "b", LEASE_S - 1) is None

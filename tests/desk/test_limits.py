"""Five failures a minute an account and an address (RELIABILITY.md C4)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcore.desk import limits
from wxcore.desk.limits import MOST_FAILURES, WINDOW, Attempts, key_of
from wxcore.errors import TimeError

NOW = datetime(2025, 6, 9, 6, 0, tzinfo=UTC)


class TestAdmit:
    def test_the_sixth_in_a_minute_waits_until_the_first_is_a_minute_old(self) -> None:
        attempts = Attempts()
        times = [NOW + timedelta(seconds=4 * n) for n in range(5)]
        assert [attempts.admit(["account:li"], now=time) for time in times] == [0] * 5
        assert attempts.admit(["account:li"], now=NOW + timedelta(seconds=20)) == 40
        assert attempts.admit(["account:li"], now=NOW + timedelta(seconds=59.5)) == 1
        assert attempts.admit(["account:li"], now=NOW + timedelta(seconds=60)) == 0
        assert attempts.admit(["account:li"], now=NOW + timedelta(seconds=60)) == 4

    def test_any_full_key_stops_and_then_nothing_is_counted(self) -> None:
        attempts = Attempts()
        for n in range(5):
            assert attempts.admit([f"account:{n}", "ip:10.0.0.7"], now=NOW) == 0
        assert attempts.admit(["account:new", "ip:10.0.0.7"], now=NOW) == 60
        assert [attempts.admit(["account:new", "ip:10.0.0.8"], now=NOW) for _ in range(6)] == [0, 0, 0, 0, 0, 60]

    def test_success_is_no_failure(self) -> None:
        attempts = Attempts()
        for _ in range(50):
            assert attempts.admit(["account:li", "ip:a"], now=NOW) == 0
            attempts.forgive(["account:li", "ip:a"], now=NOW)

    def test_success_does_not_wipe_out_failures(self) -> None:
        attempts = Attempts()
        for _ in range(4):
            attempts.admit(["ip:a"], now=NOW)
        later = NOW + timedelta(seconds=1)
        assert attempts.admit(["ip:a"], now=later) == 0
        attempts.forgive(["ip:a"], now=later)
        assert attempts.admit(["ip:a"], now=later) == 0
        assert attempts.admit(["ip:a"], now=later) == 59

    def test_a_hundred_at_once_are_not_all_let_through(self) -> None:
        attempts = Attempts()
        with ThreadPoolExecutor(16) as pool:
            waits = list(pool.map(lambda _: attempts.admit(["account:li"], now=NOW), range(100)))
        assert waits.count(0) == MOST_FAILURES

    def test_keys_that_are_over_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "MOST_KEYS", 20)
        attempts = Attempts()
        for n in range(500):
            attempts.admit([f"account:{n}"], now=NOW + n * WINDOW / 10)
        assert len(attempts._times) <= 22

    def test_a_clock_set_back_locks_nobody_out(self) -> None:
        attempts = Attempts()
        for _ in range(5):
            attempts.admit(["account:li"], now=NOW)
        assert attempts.admit(["account:li"], now=NOW - timedelta(hours=2)) == 0
        others = [attempts.admit(["account:li"], now=NOW - timedelta(hours=2)) for _ in range(5)]
        assert others == [0, 0, 0, 0, 60]

    def test_threads_that_read_the_clock_in_another_order_gain_nothing(self) -> None:
        attempts = Attempts()
        for n in range(5):
            assert attempts.admit(["account:li"], now=NOW - timedelta(milliseconds=n)) == 0
        assert attempts.admit(["account:li"], now=NOW - timedelta(seconds=1)) == 61

    def test_naive_times_are_refused(self) -> None:
        with pytest.raises(TimeError):
            Attempts().admit(["a"], now=NOW.replace(tzinfo=None))
        with pytest.raises(TimeError):
            Attempts().forgive(["a"], now=NOW.replace(tzinfo=None))

    @pytest.mark.parametrize(
        ("address", "key"),
        [("10.0.0.7", "ip:10.0.0.7"), ("::ffff:10.0.0.7", "ip:10.0.0.7"), ("unknown", "ip:unknown"),
         ("2001:db8:1:2::1", "ip:2001:db8:1:2::/64"), ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "ip:2001:db8:1:2::/64"),
         ("2001:db8:1:3::1", "ip:2001:db8:1:3::/64"), ("fe80::1%eth0", "ip:fe80::/64"), ("", "ip:")],
    )  # fmt: skip
    def test_one_subscriber_is_one_key(self, address: str, key: str) -> None:
        assert key_of(address) == key

    @given(st.lists(st.integers(0, 300), max_size=60))
    def test_never_more_than_five_in_any_minute(self, seconds: list[int]) -> None:
        attempts = Attempts()
        passed = [s for s in sorted(seconds) if attempts.admit(["k"], now=NOW + timedelta(seconds=s)) == 0]
        assert all(sum(0 <= other - s < 60 for other in passed) <= MOST_FAILURES for s in passed)

"""How often somebody may fail (RELIABILITY.md C4): at most five a minute an account and an address."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from math import ceil
from threading import Lock

from wxcore.times import require_utc

MOST_FAILURES = 5
"""Failures a window (RELIABILITY.md C4, ASVS 6.3.1)."""

WINDOW = timedelta(minutes=1)
IPV6_HOST_BITS = 64
"""One subscriber has at least this many bits of addresses to choose from (RFC 4291 section 2.5.4, RFC 6177)."""

MOST_KEYS = 10_000
"""Accounts and addresses kept in mind; beyond that, those whose last failure is over are dropped first."""


def key_of(address: str) -> str:
    """The key under which an address counts: IPv4 as it is, IPv6 by its /64, anything else as it was given."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return f"ip:{address}"
    if not isinstance(found, IPv6Address):
        return f"ip:{found}"
    if found.ipv4_mapped is not None:
        return f"ip:{found.ipv4_mapped}"
    return f"ip:{IPv6Address(int(found) >> IPV6_HOST_BITS << IPV6_HOST_BITS)}/64"


@dataclass(frozen=True)
class Attempts:
    """Failures of the last minute, by key ("account:li", "ip:10.0.0.7"). Safe to use from several threads.

    An attempt counts from before the password is looked at, so that a hundred at the same moment are not all let
    through; a success takes it back.
    """

    most: int = MOST_FAILURES
    _times: dict[str, deque[datetime]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def admit(self, keys: Sequence[str], *, now: datetime) -> int:
        """Count an attempt under all these keys, unless one of them is full.

        Returns:
            0 where it was counted and may go on; else the seconds to wait [s], and nothing was counted.

        Raises:
            TimeError: a naive `now`.
        """
        now = require_utc(now)
        with self._lock:
            self._drop_old(keys, now)
            full = [min(self._times[key]) for key in keys if len(self._times.get(key, ())) >= self.most]
            if full:
                return max(1, ceil((max(full) + WINDOW - now).total_seconds()))
            for key in keys:
                self._times.setdefault(key, deque()).append(now)
            return 0

    def forgive(self, keys: Sequence[str], *, now: datetime) -> None:
        """The attempt admitted at `now` was no failure: it no longer counts.

        Raises:
            TimeError: a naive `now`.
        """
        now = require_utc(now)
        with self._lock:
            for key in keys:
                times = self._times.get(key)
                if times and now in times:
                    times.remove(now)

    def _drop_old(self, keys: Sequence[str], now: datetime) -> None:
        """What is over, and what lies further ahead than a window: written before the clock was set back."""
        looked_at = list(self._times) if len(self._times) > MOST_KEYS else keys
        for key in looked_at:
            kept = deque(time for time in self._times.pop(key, ()) if abs(now - time) < WINDOW)
            if kept:
                self._times[key] = kept

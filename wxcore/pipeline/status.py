"""How the house is: what each source delivered last, what waits, how much room is left."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wxcore.landing.ledger import Conservation, Ledger, Source, pending_count, sources
from wxcore.landing.space import free_bytes
from wxcore.lightning.adtd import TITLE as NETWORK
from wxcore.pipeline.catchup import BACK
from wxcore.pipeline.gather import AIR, ORBITERS, SPAN
from wxcore.pipeline.home import Home
from wxcore.pipeline.report import write_whole
from wxcore.times import CYCLE, iso

SILENT_AFTER = 3 * CYCLE
"""A source whose newest observation began longer ago is silent: one cycle to scan, then two nominal intervals
(RELIABILITY.md B12)."""


SCENES_SILENT_AFTER = timedelta(minutes=45)
"""The same for a geostationary satellite, whose time is the end of its scan: two slots of 15 minutes (DOMAIN.md 7.3),
and as much again until the image is here."""


STATIONS_SILENT_AFTER = timedelta(minutes=75)
"""The same for a delivery of ground stations: those that report hourly need a quarter of an hour to be here."""


@dataclass(frozen=True)
class Silence:
    """A source that delivered within the last day and does no more."""

    source: str
    newest: datetime
    age_min: int


def silences(found: list[Source], now: datetime) -> tuple[Silence, ...]:
    """The sources among `found` that have gone silent.

    A polar orbiter, a sounding or a model never has: they come two to four times a day, and each cycle tells where its
    levels come from. Strokes of a network may really have ended, so for it the time counts when its last file came.
    """
    newest: dict[tuple[str, str], Source] = {}
    for source in sorted(found, key=lambda source: source.newest):
        newest[source.kind, re.sub(SPAN, "", source.site)] = source  # files that reach back differently are one source
    return tuple(
        Silence(source.name, source.newest, round((now - source.newest) / timedelta(minutes=1)))
        for source in newest.values()
        if not source.site.startswith(ORBITERS)
        and source.kind not in AIR
        and now - (source.received_at if source.site == NETWORK else source.newest) > _patience(source)
    )


def _patience(source: Source) -> timedelta:
    return {"scene": SCENES_SILENT_AFTER, "station": STATIONS_SILENT_AFTER}.get(source.kind, SILENT_AFTER)


def write_status(
    home: Home, ledger: Ledger, now: datetime, *, counts: Conservation, paused: bool, running: datetime | None
) -> list[Source]:
    """Write status.json, whole or not at all; its `time` is the watch's heartbeat.

    Args:
        counts: of all files; may be a minute old, for counting takes a while.
        running: the cycle at work.

    Returns:
        the sources of the last day.
    """
    found = list(sources(ledger, now - BACK))
    content: dict[str, Any] = {
        "time": iso(now),
        "paused": paused,
        "running": iso(running) if running else None,
        "pending": pending_count(ledger),
        "free_bytes": free_bytes(home.root),
        "received": counts.received,
        "stored": counts.stored,
        "duplicate": counts.duplicate,
        "quarantined": counts.quarantined,
        "conservation_holds": counts.holds,
        "sources": [
            {"source": item.name, "newest": iso(item.newest), "received_at": iso(item.received_at)} for item in found
        ],
        "silent": [{"source": item.source, "age_min": item.age_min} for item in silences(found, now)],
    }
    write_whole(home.status, json.dumps(content, ensure_ascii=False, indent=1).encode())
    return found

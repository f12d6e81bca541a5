"""The radars' files: a volume of each radar every six minutes, in the format of its type."""

import bz2
from collections.abc import Iterator
from datetime import datetime, timedelta
from zlib import crc32

import numpy as np

from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.legacy_write import write_legacy
from wxcore.region import RadarSite
from wxcore.simulate.planned import Instrument, Planned, Setting
from wxcore.simulate.radar import VOLUME_SECONDS, scan
from wxcore.times import CYCLE, require_utc

NAME = "radar"
LEGACY_TYPES = frozenset({"SB", "CB"})
"""Radars that still send the legacy format [our choice]."""

STAGGER_S, LATE_S = (20, 60), (20.0, 60.0)
"""A volume begins so long after a cycle's time, and arrives so long after its last ray [our choice]."""

PACKING = 9


def file_name(site: RadarSite, start: datetime, *, legacy: bool = False) -> str:
    """Operational name of a volume (DOMAIN.md 7.1); `start` aware UTC.

    Raises:
        TimeError: `start` is naive.
    """
    form = "CAP" if legacy else "CAP_FMT"
    return f"Z_RADR_I_{site.id}_{require_utc(start):%Y%m%d%H%M%S}_O_DOR_{site.type}_{form}.bin.bz2"


def _plan(setting: Setting) -> Iterator[Planned]:
    """A volume for each cycle of the period: it begins up to a cycle before that cycle's time."""
    first, end = require_utc(setting.start), require_utc(setting.end)
    sites = {site.id: site for site in setting.region.radars_at(first)}
    for radar in setting.scale.radars or tuple(sites):
        site, number = sites[radar], crc32(radar.encode())
        stagger = timedelta(seconds=STAGGER_S[0] + number % (STAGGER_S[1] - STAGGER_S[0] + 1))
        for cycle in range(-((first - end) // CYCLE)):
            start = first + (cycle - 1) * CYCLE + stagger
            over = start + timedelta(seconds=VOLUME_SECONDS)
            late = np.random.default_rng([setting.seed, number, int(start.timestamp())]).uniform(*LATE_S)
            name = file_name(site, start, legacy=site.type in LEGACY_TYPES)
            yield Planned(
                f"{NAME}/{radar}/{name}", start, over, over + timedelta(seconds=round(late, 3)), NAME, (radar,)
            )


def _make(setting: Setting, planned: Planned) -> bytes:
    sites = {site.id: site for site in setting.region.radars_at(setting.start)}
    site = sites[str(planned.key[0])]
    volume = scan(site, setting.world, planned.start, seed=setting.seed, clean=setting.clean)
    return bz2.compress((write_legacy if site.type in LEGACY_TYPES else write_standard)(volume), PACKING)


INSTRUMENT = Instrument(NAME, _plan, _make)

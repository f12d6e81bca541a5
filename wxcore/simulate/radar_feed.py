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
LATE_STREAM = 51
"""Tells these draws from those of others with the same seed."""

LEGACY_TYPES = frozenset({"SB", "CB"})
"""Radars that still send the legacy format [our choice]."""

USUAL_TYPE = "SA"
"""In the name of a file whose radar's type is not known, or no Chinese name could hold it."""

STAGGER_S, LATE_S = (20, 60), (20.0, 60.0)
"""A volume begins so long after a cycle's time, and arrives so long after its last ray [our choice]."""

PACKING = 9


def file_name(site: RadarSite, start: datetime, *, legacy: bool = False) -> str:
    """Operational name of a volume (DOMAIN.md 7.1); `start` aware UTC.

    Raises:
        TimeError: `start` is naive.
    """
    form = "CAP" if legacy else "CAP_FMT"
    kind = site.type if site.type.isalnum() else USUAL_TYPE
    return f"Z_RADR_I_{site.id}_{require_utc(start):%Y%m%d%H%M%S}_O_DOR_{kind}_{form}.bin.bz2"


def _plan(setting: Setting) -> Iterator[Planned]:
    """A volume every six minutes of the period, each some seconds into them: it belongs to the cycle at their end.

    Where the region has none of the scale's radars, as many of its own.
    """
    first, end = require_utc(setting.start), require_utc(setting.end)
    sites = {site.id: site for site in setting.region.radars_at(first)}
    asked = setting.scale.radars
    for radar in [radar for radar in asked if radar in sites] or list(sites)[: len(asked) or None]:
        site, number = sites[radar], crc32(radar.encode())
        stagger = timedelta(seconds=STAGGER_S[0] + number % (STAGGER_S[1] - STAGGER_S[0] + 1))
        for cycle in range(-((first + stagger - end) // CYCLE)):
            start = first + stagger + cycle * CYCLE
            over = start + timedelta(seconds=VOLUME_SECONDS)
            late = np.random.default_rng([setting.seed, LATE_STREAM, number, int(start.timestamp())]).uniform(*LATE_S)
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

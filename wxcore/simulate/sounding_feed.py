"""Soundings of the simulated air, as MICAPS diamond 5 (TLOGP): all upper-air stations of the region in a file."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np

from wxcore.environment.profile import Profile, Soundings
from wxcore.environment.tlogp import BEIJING_AHEAD, FORMAT, TITLE, write_tlogp
from wxcore.simulate.ground_truth import dew_point_c, height_m, pressure_hpa, temperature_c
from wxcore.simulate.minutes import minutes_between, time_of
from wxcore.simulate.planned import Instrument, Planned, Setting
from wxcore.simulate.scene import Air, Doubles
from wxcore.times import require_utc

TWICE_A_DAY = 12 * 60
"""Between nominal hours [min]: 00 and 12 UTC."""

BACK = timedelta(hours=12)
"""A sounding serves so long (DOMAIN.md section 3): those before the first observation are sent too."""

DELAY = timedelta(minutes=80)
"""From the nominal hour to arrival: the balloon rises for an hour [our choice]."""

STEP_HPA, TOP_HPA, APART_M = 25.0, 50.0, 20.0
"""Steps of the usual levels, the highest of them, and how near to a significant one none is."""


def plan(setting: Setting) -> Iterator[Planned]:
    """A file for each of the 00 and 12 UTC from 12 hours before the start to before the end; none without stations.

    Raises:
        TimeError: a naive time.
    """
    if setting.region.soundings:
        for minute in minutes_between(require_utc(setting.start) - BACK, setting.end, TWICE_A_DAY):
            when = time_of(minute)
            path = f"upper_air/TLOGP/{when + BEIJING_AHEAD:%Y%m%d%H%M%S}.000"
            yield Planned(path, when, when, when + DELAY, "sounding", (minute,))


def make(setting: Setting, planned: Planned) -> bytes:
    """The same air over every station, at its place."""
    profiles = tuple(
        profile(setting.world.air, planned.start, lat, lon, station)
        for station, (lat, lon) in sorted(setting.region.soundings.items())
    )
    return write_tlogp(Soundings(FORMAT.name, TITLE, profiles, simulated=True))


def profile(air: Air, when: datetime, lat: float, lon: float, station: str) -> Profile:
    """The air as a sounding: the ground, every 25 hPa to 50 hPa, and where temperature or wind have a corner.

    Raises:
        TimeError: a naive time.
    """
    heights = _levels(air)
    u, v = air.wind(heights)
    return Profile(
        pressure_hpa(air, heights), heights, temperature_c(air, heights), dew_point_c(air, heights), u, v,
        require_utc(when), lat, lon, station,
    )  # fmt: skip


def _levels(air: Air) -> Doubles:
    """Heights [m ASL], ascending."""
    corners = np.array([air.h0_m, air.hm20_m, air.tropopause_m, *(height for height, _, _ in air.winds)])
    significant = np.unique(np.concatenate([[air.ground_m], corners[corners > air.ground_m + APART_M]]))
    usual = height_m(air, np.arange(TOP_HPA, air.ground_hpa, STEP_HPA))
    apart = np.abs(usual[:, None] - significant).min(axis=1) > APART_M
    return np.unique(np.concatenate([significant, usual[apart & (usual > air.ground_m)]]))


SOUNDING = Instrument("sounding", plan, make)

"""A radar's view of a scene: VCP21 with split cuts, 4/3-earth beams, half-dBZ codes, folded velocities."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from pyproj import Geod

from wxcore.radar.geometry import beam_height, ground_arc
from wxcore.radar.volume import ECHO, FOLDED, MISSING, NO_ECHO, SIMULATED_TASK, Moment, Site, Sweep, Volume
from wxcore.region import RadarSite
from wxcore.simulate.scene import Cell, reflectivity
from wxcore.times import require_utc, to_datetime64

VCP21_DEG = (0.5, 1.45, 2.4, 3.35, 4.3, 6.0, 9.9, 14.6, 19.5)
"""Elevations of VCP21 (DOMAIN.md 1.2)."""

SPLIT_CUTS = 2
"""The lowest tilts scanned twice: surveillance (reflectivity) and Doppler (velocity)."""

VOLUME_SECONDS = 345.0
NYQUIST_M_S = 27.0
NOISE_DBZ_AT_100_KM = -8.0
"""Smallest reflectivity seen at 100 km; it grows with 20 log r."""

GEOD = Geod(ellps="WGS84")
SYN_TASK = f"{SIMULATED_TASK} VCP21"
"""Task name in the header of every simulated volume: the file itself says that it is simulated."""


@dataclass(frozen=True)
class _Gates:
    count: int
    first_m: float
    step_m: float

    @property
    def range_m(self) -> npt.NDArray[np.floating]:
        return self.first_m + self.step_m * np.arange(self.count)


REFLECTIVITY_GATES = _Gates(460, 500.0, 1000.0)
VELOCITY_GATES = _Gates(920, 125.0, 250.0)


def _classes() -> npt.NDArray[np.uint8]:
    classes = np.full(256, ECHO, dtype=np.uint8)
    classes[0], classes[1], classes[2:5] = NO_ECHO, FOLDED, MISSING
    return classes


def _reflectivity_moment(
    site: RadarSite, cells: tuple[Cell, ...], azimuth: npt.NDArray[np.floating], elevation: float, when: datetime
) -> Moment:
    gates = REFLECTIVITY_GATES
    arc, above = ground_arc(gates.range_m, elevation), beam_height(gates.range_m, elevation)
    shape = (azimuth.size, gates.count)
    lon, lat, _ = GEOD.fwd(
        np.full(shape, site.lon), np.full(shape, site.lat),
        np.broadcast_to(azimuth[:, None], shape), np.broadcast_to(arc[None, :], shape),
    )  # fmt: skip
    dbz = reflectivity(cells, lon, lat, (above + site.antenna_m)[None, :], when)
    noise = NOISE_DBZ_AT_100_KM + 20 * np.log10(gates.range_m / 100_000)
    codes = np.clip(np.round(dbz * 2 + 66), 5, 255).astype(np.uint8)
    codes[dbz < noise[None, :]] = 0
    return Moment(codes, 2.0, 66.0, gates.first_m, gates.step_m, _classes())


def _velocity_moment(
    reflectivity_moment: Moment,
    cells: tuple[Cell, ...],
    azimuth: npt.NDArray[np.floating],
    elevation: float,
    rng: np.random.Generator,
) -> Moment:
    gates = VELOCITY_GATES
    u = float(np.mean([cell.u_m_s for cell in cells])) if cells else 0.0
    v = float(np.mean([cell.v_m_s for cell in cells])) if cells else 0.0
    angle = np.deg2rad(azimuth)
    radial = (u * np.sin(angle) + v * np.cos(angle)) * np.cos(np.deg2rad(elevation))
    speed = radial[:, None] + rng.normal(0, 0.7, (azimuth.size, gates.count))
    folded = (speed + NYQUIST_M_S) % (2 * NYQUIST_M_S) - NYQUIST_M_S
    codes = np.clip(np.round(folded * 2 + 129), 5, 255).astype(np.uint8)
    seen = np.repeat(reflectivity_moment.codes[:, : gates.count // 4] >= 5, 4, axis=1)
    codes[~seen] = 0
    return Moment(codes, 2.0, 129.0, gates.first_m, gates.step_m, _classes())


def _cuts() -> list[tuple[float, bool, bool]]:
    """(elevation, has reflectivity, has velocity) of each cut in the order of the scan."""
    cuts: list[tuple[float, bool, bool]] = []
    for number, elevation in enumerate(VCP21_DEG):
        if number < SPLIT_CUTS:
            cuts += [(elevation, True, False), (elevation, False, True)]
        else:
            cuts.append((elevation, True, True))
    return cuts


def scan(site: RadarSite, cells: tuple[Cell, ...], start: datetime, *, seed: int) -> Volume:
    """One volume scan of `cells` from `start` (aware UTC); the same seed gives the same codes."""
    start = require_utc(start)
    rng = np.random.default_rng(seed)
    cuts = _cuts()
    sweeps: list[Sweep] = []
    for number, (elevation, has_z, has_v) in enumerate(cuts):
        began = start + timedelta(seconds=VOLUME_SECONDS * number / len(cuts))
        rays = 366 - number % 3
        azimuth = (rng.uniform(0, 360) + 360 / rays * np.arange(rays)) % 360
        z = _reflectivity_moment(site, cells, azimuth, elevation, began)
        moments = {"DBZH": z} if has_z else {}
        if has_v:
            moments["VRADH"] = _velocity_moment(z, cells, azimuth, elevation, rng)
        step = np.timedelta64(int(VOLUME_SECONDS / len(cuts) / rays * 1e6), "us")
        sweeps.append(
            Sweep(
                fixed_angle=elevation,
                azimuth=azimuth.astype(np.float32),
                elevation=np.full(rays, elevation, dtype=np.float32),
                time=to_datetime64(began) + step * np.arange(rays),
                nyquist=NYQUIST_M_S,
                moments=moments,
            )
        )
    place = Site(site.id, site.name_en, site.lat, site.lon, site.antenna_m, frequency_mhz=2800.0)
    return Volume("cinrad-standard", place, start, SYN_TASK, tuple(sweeps))

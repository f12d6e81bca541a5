"""A radar's view of a world: VCP21 with split cuts, 4/3-earth beams of one degree, noise, clutter, folding.

The truth is taken at the middle of each cut: cells move some 200 m within one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zlib import crc32

import numpy as np
import numpy.typing as npt

from wxcore.radar.codes import CLASSES_U1
from wxcore.radar.geometry import (
    EFFECTIVE_RADIUS_M,
    WGS84_A_M,
    WGS84_E2,
    beam_height,
    beam_through,
    ground_arc,
    ground_position,
)
from wxcore.radar.volume import SIMULATED_TASK, Moment, Site, Sweep, Volume
from wxcore.region import RadarSite
from wxcore.region.terrain import load_terrain
from wxcore.simulate.field_kernels import (
    BRIGHT_DB,
    CORE_HALF_M,
    CORE_M,
    EDGE_DB,
    FRONT,
    HAIL_DB,
    LAPSE,
    LEAN_X,
    LEAN_Y,
    LEANS_FROM_M,
    NOTHING_DBZ,
    OUTFLOW,
    OUTFLOW_DEPTH_M,
    PEAK,
    RADIUS,
    ROTATION,
    S_ACROSS,
    S_ALONG,
    S_COS,
    S_DBZ,
    S_H0,
    S_SIN,
    SHIELD_EDGE_DB,
    SNOW_LAPSE_DB_KM,
    TOP,
)  # fmt: skip
from wxcore.simulate.fields import RAIN_A, RAIN_B, RAIN_CAP_DBZ, Instant, instant
from wxcore.simulate.radar_kernels import NODE_KM, V_GATES, fill_echo, fill_velocity, receive
from wxcore.simulate.scene import KM_PER_DEG, World
from wxcore.times import require_utc, to_datetime64

Doubles = npt.NDArray[np.float64]

VCP21_DEG = (0.5, 1.45, 2.4, 3.35, 4.3, 6.0, 9.9, 14.6, 19.5)
"""Elevations of VCP21 (DOMAIN.md 1.2)."""

REACH_KM = (460, 356, 332, 268, 216, 176, 110, 85, 70)
"""How far each looks for reflectivity: nothing is above some 24 km. Velocity: 230 km at most. As in a volume of Z9517
of 2020-06-12."""

SPLIT_CUTS = 2
"""The lowest tilts scanned twice: surveillance (reflectivity) and Doppler (velocity)."""

VOLUME_SECONDS = 345.0
NOISE_DBZ_AT_100_KM = -8.0
"""Smallest reflectivity seen at 100 km; it grows with 20 log r [our choice, as of a CINRAD/SA]."""

NOISE_DB, NOISE_M_S = 0.7, 0.7
"""Standard deviation of an estimate of reflectivity and of velocity [our choice]."""

BEAM_DEG = 1.0
SPREAD_DEG = BEAM_DEG / (4 * np.sqrt(np.log(2))) * np.sqrt(3)
"""Where the beam is sampled off its centre: sqrt(3) sigma, with sigma = width / (4 sqrt(ln 2)) of the two-way pattern
of a Gaussian beam (Doviak and Zrnic 1993, 5.3); five points with weights of 1/3 and 1/6 integrate a cubic exactly."""

FREQUENCY_MHZ = {"S": 2800.0, "C": 5600.0, "X": 9400.0}
NYQUIST_M_S = {"S": 27.0, "C": 16.0, "X": 12.0}
"""DOMAIN.md 1.3.6: S 26 to 28 m/s, C 13 to 20; X [our choice]."""

LIGHT_KM_S = 299_792.458
CLEAN_NYQUIST_M_S = 63.0
"""As fast as the codes go: a clean radar folds nothing."""

ATTENUATION_R = {"C": (0.0018, 1.05), "X": (0.0074, 1.31)}
"""k = c R^d [dB/km one way, mm/h] at 5.7 and 3.2 cm (Wexler and Atlas 1963, as in Battan 1973 [M]); S: nothing."""

CLUTTER_KM, CLUTTER_DBZ, CLUTTER_DB_KM, CLUTTER_SPREAD_DB = 60, 22.0, 0.4, 12.0
"""Reach of ground clutter; its mean near the radar, fall with range, and spread among gates [our choice]."""

CLUTTER_PATTERN_DB = 24.0
"""Two-way loss at one beam width from the centre, 80 ln(2) log10(e): it goes with the square."""

BARE_MAST_M = 20.0
"""The antenna is at least so far above the coarse model's ground, which may be above the true hill top."""

POOL = 1 << 16
SYN_TASK = f"{SIMULATED_TASK} VCP21"
"""Task name in the header of every simulated volume: the file itself says that it is simulated."""


GATE_M, FAST_GATE_M, FAST_REACH_KM = 1000.0, 1000.0 / V_GATES, 230


@dataclass(frozen=True)
class _Receiver:
    """`loss` and `limits` as in the kernels; `noise`: of dB and m/s; `pool`: normal deviates."""

    clean: bool
    floor: Doubles
    points: Doubles
    loss: tuple[float, float, float]
    limits: tuple[float, float]
    noise: tuple[float, float]
    pool: Doubles


def _receiver(band: str, rng: np.random.Generator, *, clean: bool) -> _Receiver:
    pool = rng.standard_normal(POOL)
    lowest = (4.5 - 66) / 2  # the smallest code that is a value
    if clean:
        floor, points = np.full(REACH_KM[0], lowest), np.array([[1.0, 0.0, 1.0]])
        return _Receiver(True, floor, points, (0.0, 1.0, 0.0), (CLEAN_NYQUIST_M_S, 1e9), (0.0, 0.0), pool)
    nyquist = NYQUIST_M_S[band]
    # Nyquist speed times unambiguous range is c lambda / 8 (Doviak and Zrnic 1993, 3.22)
    trip = LIGHT_KM_S * (LIGHT_KM_S / FREQUENCY_MHZ[band] / 1000) / 8 / nyquist
    side = np.deg2rad(SPREAD_DEG)
    points = np.array([[1, 0, 1 / 3], [0, 0, 1 / 6], [2, 0, 1 / 6], [1, -side, 1 / 6], [1, side, 1 / 6]])
    return _Receiver(
        False, np.maximum(noise_dbz(_ranges(REACH_KM[0], GATE_M)), lowest), points,
        (*attenuation(band), RAIN_CAP_DBZ), (nyquist, trip), (NOISE_DB, NOISE_M_S), pool,
    )  # fmt: skip


def _ranges(gates: int, step_m: float) -> Doubles:
    """Slant range of the centres of gates [m]."""
    return step_m * (np.arange(gates, dtype=np.float64) + 0.5)


def noise_dbz(range_m: npt.ArrayLike) -> Doubles:
    """Smallest reflectivity that is seen [dBZ] at slant ranges [m]."""
    return np.asarray(NOISE_DBZ_AT_100_KM + 20 * np.log10(np.asarray(range_m) / 100_000))


def attenuation(band: str) -> tuple[float, float]:
    """a and b of k = a Z^b [dB/km one way, mm6 m-3]: ATTENUATION_R with the Z-R relation of the ground's rain."""
    if band not in ATTENUATION_R:
        return 0.0, 1.0
    c, d = ATTENUATION_R[band]
    return float(c * RAIN_A ** (-d / RAIN_B)), d / RAIN_B


def places_under(site_lat: float, site_lon: float, azimuth_deg: npt.ArrayLike, arc_m: npt.ArrayLike) -> Doubles:
    """(2, ...) longitude and latitude [deg] at distances along the ground [m]: the inverse of
    `radar.geometry.ground_position`, within 5 m of the geodesic of WGS-84 at 230 km, and 20 m at 460 km."""
    phi0, lam0 = np.deg2rad(site_lat), np.deg2rad(site_lon)
    azimuth, arc = np.broadcast_arrays(np.deg2rad(np.asarray(azimuth_deg)), np.asarray(arc_m, dtype=np.float64))
    sine, cosine = np.sin(azimuth), np.cos(azimuth)
    middle = phi0 + arc * cosine / (2 * WGS84_A_M)
    across = WGS84_A_M / np.sqrt(1 - WGS84_E2 * np.sin(middle) ** 2)
    along = across * (1 - WGS84_E2) / (1 - WGS84_E2 * np.sin(middle) ** 2)
    half = arc * (cosine**2 / along + sine**2 / across) / 2
    chord = np.where(half > 0, arc * np.sinc(half / np.pi), 0.0)
    flat, down = chord * np.cos(half), chord * np.sin(half)
    normal = WGS84_A_M / np.sqrt(1 - WGS84_E2 * np.sin(phi0) ** 2)
    out = (normal - down) * np.cos(phi0) - flat * cosine * np.sin(phi0)
    east = flat * sine
    up = (normal * (1 - WGS84_E2) - down) * np.sin(phi0) + flat * cosine * np.cos(phi0)
    lon = lam0 + np.arctan2(east, out)
    lat = np.arctan2(up, (1 - WGS84_E2) * np.hypot(out, east))
    return np.asarray(np.rad2deg(np.stack([lon, lat])), dtype=np.float64)


@lru_cache(maxsize=32)
def _ground(site: RadarSite) -> tuple[Doubles, Doubles]:
    """(sector of 1 deg, gate): elevation of the ground [deg], and its echo in a beam that meets it [dBZ]."""
    rng = np.random.default_rng([crc32(site.id.encode())])
    arc = 1000.0 * (np.arange(CLUTTER_KM) + 0.5)
    shape = (360, CLUTTER_KM)
    lon, lat = places_under(site.lat, site.lon, np.arange(360)[:, None] + 0.5, arc[None, :])
    terrain = load_terrain()
    corners = [terrain.at(lat + north, lon + east) for north in (-0.1, 0.1) for east in (-0.1, 0.1)]
    heights = terrain.at(lat, lon) + np.std(corners, axis=0) * rng.standard_normal(shape)
    antenna = np.fmax(site.antenna_m, terrain.at(site.lat, site.lon) + BARE_MAST_M)
    elevation, _ = beam_through(arc, np.nan_to_num(heights - antenna, nan=-1e3))
    dbz = CLUTTER_DBZ - CLUTTER_DB_KM * arc / 1000 + CLUTTER_SPREAD_DB * rng.standard_normal(shape)
    return elevation, dbz


def _clutter(site: RadarSite, azimuth: Doubles, elevation: float) -> Doubles:
    """(ray, gate) echo of the ground [dBZ]; the same in every volume but for the receiver's noise."""
    ground, dbz = _ground(site)
    sector = azimuth.astype(np.intp) % 360
    missed = np.maximum(elevation - ground[sector], 0) / BEAM_DEG
    return np.asarray(dbz[sector] - CLUTTER_PATTERN_DB * missed**2)


def _faintest(rows: Doubles, site: RadarSite, radius_km: Doubles, *, clean: bool) -> Doubles:
    """Reflectivity below which nothing of a storm is seen [dBZ]: 8 sd below the threshold where it is nearest."""
    if clean:
        return np.full(rows.shape[0], NOTHING_DBZ)
    arc, _ = ground_position(site.lat, site.lon, rows[:, 1], rows[:, 0])
    nearest = np.maximum(arc - 1000 * radius_km, 1000.0)
    return np.maximum(noise_dbz(nearest) - 8 * NOISE_DB, NOTHING_DBZ)


def _seen(rows: Doubles, site: RadarSite, beam: Doubles, shape: Doubles, spread: float) -> Doubles:
    """(storm, column) for the kernels of storms whose rows begin with longitude and latitude.

    `shape`: (6, storm) half axes [km], heading [rad], top [m ASL], slack [dB], steepest fall [dB/km].
    """
    arc, bearing = ground_position(site.lat, site.lon, rows[:, 1], rows[:, 0])
    along, across, heading, top, slack, slope = shape
    turned = np.deg2rad(rows[:, 0] - site.lon) * np.sin(np.deg2rad(rows[:, 1]))  # meridians converge
    # 3 % for what is flat in the truth and round here
    along, across = (np.where(half > 0, 1.03 * half + 3 + spread * arc / 1000, 0.0) for half in (along, across))
    gates = np.searchsorted(beam[0, 1], top).astype(np.float64)
    return np.stack([arc / 1000, np.deg2rad(bearing), along, across, heading - turned, gates, slack, slope * spread], 1)


def _cell_shape(cells: Doubles, site: RadarSite, *, clean: bool) -> Doubles:
    peak = cells[:, PEAK] + cells[:, HAIL_DB]
    widest = cells[:, RADIUS] * np.sqrt(np.maximum(peak - NOTHING_DBZ, 0) / EDGE_DB)
    over = np.maximum(peak - _faintest(cells, site, 2 * widest, clean=clean), 0)
    top = np.maximum(cells[:, TOP] + 1000 * over / cells[:, LAPSE], CORE_M + CORE_HALF_M * np.sqrt(over / 3))
    lean = np.hypot(cells[:, LEAN_X], cells[:, LEAN_Y]) * np.maximum(top - LEANS_FROM_M, 0) / 1000
    half = np.where(over > 0, cells[:, RADIUS] * np.sqrt(over / EDGE_DB) + lean, 0)
    slope = np.maximum(2 * EDGE_DB * widest / cells[:, RADIUS] ** 2, cells[:, LAPSE])
    return np.stack([half, half, np.zeros(half.size), top, np.full(half.size, 8 * NOISE_DB), slope])


def _shield_shape(shields: Doubles, site: RadarSite, *, clean: bool) -> Doubles:
    peak, longest = shields[:, S_DBZ] + BRIGHT_DB, np.maximum(shields[:, S_ALONG], shields[:, S_ACROSS])
    over = np.maximum(peak - _faintest(shields, site, 2 * longest, clean=clean), 0)
    part = (over / SHIELD_EDGE_DB) ** 0.25
    top = shields[:, S_H0] + 1000 * over / SNOW_LAPSE_DB_KM
    slope = np.maximum(4 * SHIELD_EDGE_DB * part**3 / shields[:, [S_ALONG, S_ACROSS]].min(axis=1), SNOW_LAPSE_DB_KM)
    heading = np.arctan2(shields[:, S_SIN], shields[:, S_COS])
    slack = np.full(part.size, 8 * NOISE_DB + BRIGHT_DB)
    return np.stack([shields[:, S_ALONG] * part, shields[:, S_ACROSS] * part, heading, top, slack, slope])


@dataclass(frozen=True)
class _Cut:
    """What a cut looks at: azimuths [deg], `places` and `beam` as in `fill_echo`."""

    elevation: float
    azimuth: Doubles
    places: Doubles
    beam: Doubles
    starts: npt.NDArray[np.int64]


def _cut(site: RadarSite, elevation: float, azimuth: Doubles, rng: np.random.Generator) -> _Cut:
    reach = REACH_KM[VCP21_DEG.index(elevation)]
    nodes = 1000 * NODE_KM * np.arange(int(reach / NODE_KM) + 2)
    lon, lat = places_under(site.lat, site.lon, azimuth[:, None], nodes[None, :])
    slant = _ranges(reach, GATE_M)
    beams = [elevation - SPREAD_DEG, elevation, elevation + SPREAD_DEG]
    beam = np.stack([[ground_arc(slant, e) / 1000, beam_height(slant, e) + site.antenna_m] for e in beams])
    starts = rng.integers(0, POOL - FAST_REACH_KM * V_GATES, azimuth.size)
    return _Cut(elevation, azimuth, np.stack([lon, lat, KM_PER_DEG * np.cos(np.deg2rad(lat))], axis=1), beam, starts)


def _moments(
    site: RadarSite, world: World, now: Instant, cut: _Cut, receiver: _Receiver, *, has_z: bool, has_v: bool
) -> dict[str, Moment]:
    clean, shape = receiver.clean, (cut.azimuth.size, cut.beam.shape[2])
    spread = 0.0 if clean else float(np.deg2rad(SPREAD_DEG))
    cells = _seen(now.cells, site, cut.beam, _cell_shape(now.cells, site, clean=clean), spread)
    shields = _seen(now.shields, site, cut.beam, _shield_shape(now.shields, site, clean=clean), spread)
    dbz = np.empty(shape)
    fill_echo(
        np.deg2rad(cut.azimuth), cut.places, cut.beam, receiver.points, receiver.floor,
        (now.cells, now.shields, cells, shields), dbz,
    )  # fmt: skip
    clutter = np.empty((shape[0], 0)) if clean else _clutter(site, cut.azimuth, cut.elevation)
    codes, signal = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
    noise = receiver.noise[0], receiver.pool, cut.starts
    receive(dbz, clutter, receiver.floor, receiver.loss, noise, codes, signal)
    moments = {"DBZH": _moment(codes, 66.0, GATE_M)} if has_z else {}
    return moments | (_velocity(site, world, now, cut, receiver, signal, dbz) if has_v else {})


def _velocity(
    site: RadarSite, world: World, now: Instant, cut: _Cut, receiver: _Receiver, signal: npt.NDArray[np.uint8],
    dbz: Doubles,
) -> dict[str, Moment]:  # fmt: skip
    slant = _ranges(V_GATES * min(signal.shape[1], FAST_REACH_KM), FAST_GATE_M)
    arc, height = ground_arc(slant, cut.elevation), beam_height(slant, cut.elevation) + site.antenna_m
    slope = np.cos(np.deg2rad(cut.elevation) + arc / EFFECTIVE_RADIUS_M)
    beam = np.stack([arc / 1000, height, *world.air.wind(height), slope])
    turning = now.cells[:, ROTATION] != 0
    low = turning | ((now.cells[:, OUTFLOW] > 0) & (now.cells[:, FRONT] > 0))
    received = signal, dbz, 20 * np.log10(_ranges(signal.shape[1], GATE_M))
    codes, width = (np.empty((signal.shape[0], slant.size), np.uint8) for _ in range(2))
    fill_velocity(
        cut.places, beam, (now.cells[turning], now.cells[low]),
        (world.air.ground_m + OUTFLOW_DEPTH_M, world.air.ground_m), received, receiver.limits,
        (receiver.noise[1], receiver.pool, cut.starts), (codes, width),
    )  # fmt: skip
    return {"VRADH": _moment(codes, 129.0, FAST_GATE_M), "WRADH": _moment(width, 129.0, FAST_GATE_M)}


def _moment(codes: npt.NDArray[np.uint8], offset: float, step_m: float) -> Moment:
    return Moment(codes, 2.0, offset, step_m / 2, step_m, CLASSES_U1)


def _cuts() -> Iterator[tuple[float, bool, bool]]:
    """(elevation, has reflectivity, has velocity) of each cut in the order of the scan."""
    for number, elevation in enumerate(VCP21_DEG):
        if number < SPLIT_CUTS:
            yield elevation, True, False
            yield elevation, False, True
        else:
            yield elevation, True, True


def scan(site: RadarSite, world: World, start: datetime, *, seed: int, clean: bool = False) -> Volume:
    """One volume scan of a world; the same site, start and seed give the same codes.

    Args:
        start: aware UTC, of the first ray.
        clean: the beam's centre at the gate's centre, without noise, clutter, folding, attenuation and threshold.

    Returns:
        Eleven cuts: DBZH of 1 km to REACH_KM, VRADH and WRADH of 250 m to 230 km at most. Code 1 of VRADH: an
        echo of another trip is stronger.

    Raises:
        TimeError: `start` is naive.
        KeyError: the site's band is not S, C, X or unknown, which is taken as S.
    """
    start = require_utc(start)
    rng = np.random.default_rng([seed, crc32(site.id.encode()), int(start.timestamp())])
    band = site.band or "S"
    place = Site(site.id, site.name_en, site.lat, site.lon, site.antenna_m, FREQUENCY_MHZ[band], BEAM_DEG)
    receiver, cuts = _receiver(band, rng, clean=clean), list(_cuts())
    seconds = VOLUME_SECONDS / len(cuts)
    sweeps: list[Sweep] = []
    for number, (elevation, has_z, has_v) in enumerate(cuts):
        began = start + timedelta(seconds=seconds * number)
        rays = 366 - number % 3
        azimuth = (rng.uniform(0, 360) + 360 / rays * np.arange(rays, dtype=np.float64)) % 360
        cut, now = _cut(site, elevation, azimuth, rng), instant(world, began + timedelta(seconds=seconds / 2))
        sweeps.append(
            Sweep(
                fixed_angle=elevation,
                azimuth=azimuth.astype(np.float32),
                elevation=np.full(rays, elevation, dtype=np.float32),
                time=to_datetime64(began) + np.timedelta64(int(seconds / rays * 1e6), "us") * np.arange(rays),
                nyquist=receiver.limits[0],
                moments=_moments(site, world, now, cut, receiver, has_z=has_z, has_v=has_v),
            )
        )
    return Volume("cinrad-standard", place, start, SYN_TASK, tuple(sweeps))

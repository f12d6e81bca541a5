"""The wind above a radar as a profile of height, from its unfolded velocities (VVP: Waldteufel & Corbin 1979).

In each layer V / cos(e) = c + u sin(az) + v cos(az) is fitted to all gates, again without those that lie far off. The
constant c takes what divergence and falling drops add, and is dropped.
"""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from wxcore.radar.geometry import beam_height
from wxcore.radar.volume import Sweep, Volume

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

LAYER_M, TOP_M = 500.0, 20_000.0
"""Depth of a layer and the highest one's top above the antenna [our choice]."""
FARTHEST_M, STEEPEST_DEG = 100_000.0, 45.0
"""Wind is taken as uniform out to here; steeper beams see falling drops rather than wind [our choice]."""
STEADY_DEG = 1.0
"""Elevations of the rays of a tilt differ by no more, but for a tenth at each end (antennas settle) [our choice]."""
LEAST_GATES = 60
"""Fewer gates of the sample do not carry a fit of three numbers, for echo comes in patches."""
SECTORS, MOST_EMPTY = 12, 5
"""A layer needs echo all around: no gap of more than 5 sectors of 30 deg, else u and v are not apart."""
ROUNDS, OUTLIER = 3, 2.0
"""The fit is repeated without gates more than 2 standard deviations off."""
WORST_RMS = 8.0
"""A layer whose gates scatter more than this [m s-1] about the fit has no one wind [our choice]."""
SAMPLE_M = 2000.0
"""One gate in two kilometres of each ray is enough."""
TRUSTED = 60
"""Least quality [%] of a gate."""


@dataclass(frozen=True)
class WindProfile:
    """Wind by height; (height,) float64, ascending height ASL [m], eastward u and northward v [m s-1].

    Empty arrays: nothing is known.
    """

    height_m: Doubles
    u: Doubles
    v: Doubles

    def at(self, height_m: npt.ArrayLike, within_m: float = 1000.0) -> tuple[Doubles, Doubles]:
        """u and v at heights ASL [m], linear between levels; NaN farther than `within_m` from any level."""
        wanted = np.asarray(height_m, dtype=np.float64)
        known = np.isfinite(self.height_m) & np.isfinite(self.u) & np.isfinite(self.v)
        levels = self.height_m[known]
        if levels.size == 0:
            return np.full(wanted.shape, np.nan), np.full(wanted.shape, np.nan)
        after = np.clip(np.searchsorted(levels, wanted), 0, levels.size - 1)
        gap = np.minimum(np.abs(levels[after] - wanted), np.abs(levels[np.maximum(after - 1, 0)] - wanted))
        u, v = np.interp(wanted, levels, self.u[known]), np.interp(wanted, levels, self.v[known])
        return np.where(gap <= within_m, u, np.nan), np.where(gap <= within_m, v, np.nan)


NO_WIND = WindProfile(np.empty(0), np.empty(0), np.empty(0))


@dataclass(frozen=True)
class LayerFit:
    """Fit by layer: c, u, v [m s-1] (layer,), NaN where there is none; `gates` (layer,) that carry it."""

    offset: Doubles
    u: Doubles
    v: Doubles
    gates: Doubles


@dataclass(frozen=True)
class Beam:
    """One sweep's velocities [m s-1] (ray, gate), used where `quality` is at least `trusted`, and where they are."""

    values: Floats
    quality: Bytes
    trusted: int
    azimuth_deg: Doubles
    elevation_deg: float
    range_m: Doubles


def wind_profile(volume: Volume) -> WindProfile:
    """The wind profile of a volume after `unfold.unfold`; empty where no layer has echo all around.

    Feed it to the next volume of the radar as `background`.
    """
    beams = []
    for sweep in volume.sweeps:
        if sweep.velocity is None or not is_level(sweep):
            continue
        moment = sweep.moments["VRADH"]
        found = sweep.velocity
        known = sweep.elevation[np.isfinite(sweep.elevation)]
        elevation = float(np.median(known)) if known.size else float(sweep.fixed_angle)
        range_m = moment.first_gate_m + moment.gate_m * np.arange(found.values.shape[1], dtype=np.float64)
        beams.append(Beam(found.values, found.quality, TRUSTED, sweep.azimuth.astype(np.float64), elevation, range_m))
    altitude = volume.site.altitude_m
    return profile_of(fit_layers(beams), altitude if np.isfinite(altitude) else 0.0)


def profile_of(fit: LayerFit, altitude_m: float) -> WindProfile:
    """The profile of a fit; height ASL from the antenna's altitude [m]."""
    known = np.isfinite(fit.u)
    middle: Doubles = np.asarray((np.arange(fit.u.size) + 0.5) * LAYER_M, dtype=np.float64)
    return WindProfile(altitude_m + middle[known], fit.u[known], fit.v[known])


def join_fits(one: LayerFit, other: LayerFit) -> LayerFit:
    """Mean of two fits, weighted with their gates; where only one knows a layer, that."""
    gates = one.gates + other.gates
    part = np.divide(one.gates, gates, out=np.ones_like(gates), where=gates > 0)
    joined = [
        np.where(part > 0, np.nan_to_num(a) * part, 0.0) + np.where(part < 1, np.nan_to_num(b) * (1 - part), 0.0)
        for a, b in ((one.offset, other.offset), (one.u, other.u), (one.v, other.v))
    ]
    offset, u, v = (np.where(gates > 0, values, np.nan) for values in joined)
    return LayerFit(offset, u, v, gates)


def fit_layers(beams: list[Beam]) -> LayerFit:
    """Fit c, u and v in each layer to the gates of all beams."""
    layers = int(TOP_M / LAYER_M)
    solution: Doubles = np.zeros((layers, 3))
    limit = np.full(layers, np.inf)
    gates, known = np.zeros(layers), np.zeros(layers, dtype=bool)
    places = [(beam, _where(beam, layers)) for beam in beams if beam.values.size and usable(beam)]
    for turn in range(ROUNDS):
        sums, sectors = np.zeros((layers, 10)), np.zeros((layers, SECTORS))
        for beam, (sine, cosine, sector, sample, layer, stretch) in places:
            _accumulate(
                beam.values, beam.quality, beam.trusted, sine, cosine, sector, sample, layer, stretch, solution, limit,
                sums, sectors,
            )  # fmt: skip
        gates = sums[:, 0]
        known = (gates >= LEAST_GATES) & (_widest_gap(sectors) <= MOST_EMPTY)
        if not known.any():
            break
        normal = np.tile(np.eye(3), (layers, 1, 1))
        rows, columns = np.triu_indices(3)
        normal[:, rows, columns] = normal[:, columns, rows] = sums[:, :6]
        right = sums[:, 6:9]
        normal[~known] = np.eye(3)
        # a millionth of the gates' number: keeps the matrix regular, moves nothing
        slight = 1e-6 * gates[:, None, None] * np.eye(3)
        solution = np.asarray(np.linalg.solve(normal + slight, right[:, :, None])[:, :, 0], dtype=np.float64)
        solution[~known] = 0.0
        rest = np.maximum(sums[:, 9] - (solution * right).sum(axis=1), 0.0) / np.maximum(gates, 1)
        if turn == ROUNDS - 1:
            known &= np.sqrt(rest) <= WORST_RMS
        limit = np.where(known, np.maximum(OUTLIER * np.sqrt(rest), 1.0), np.inf)
    found = np.where(known[:, None], solution, np.nan)
    return LayerFit(found[:, 0], found[:, 1], found[:, 2], np.where(known, gates, 0.0))


def usable(beam: Beam) -> bool:
    return abs(beam.elevation_deg) <= STEEPEST_DEG  # False for NaN


def is_level(sweep: Sweep) -> bool:
    """Is it a tilt, around the circle at one elevation, not too steep? Else a vertical scan or a beam straight up."""
    known = sweep.elevation[np.isfinite(sweep.elevation)]
    if not known.size:
        return bool(abs(sweep.fixed_angle) <= STEEPEST_DEG)
    low, middle, high = np.percentile(known, (10, 50, 90))
    return bool(abs(middle) <= STEEPEST_DEG and high - low <= STEADY_DEG)


def widest_gap(azimuth_deg: Doubles) -> int:
    """Longest run of empty sectors around the circle."""
    count = np.bincount((azimuth_deg % 360.0 * (SECTORS / 360.0)).astype(int) % SECTORS, minlength=SECTORS)
    return int(_widest_gap(count[None, :].astype(np.float64))[0])


def _where(beam: Beam, layers: int) -> tuple[Doubles, Doubles, Ints, Ints, Ints, float]:
    """Sine, cosine and sector of each ray (-1: none), sampled gates, layer of each gate, and 1 / cos(e)."""
    layer = np.floor(beam_height(beam.range_m, beam.elevation_deg) / LAYER_M)
    gate_m = beam.range_m[1] - beam.range_m[0] if beam.range_m.size > 1 else SAMPLE_M
    sample = np.arange(0, beam.range_m.size, max(1, int(SAMPLE_M / max(gate_m, 1.0))), dtype=np.int32)
    inside = (beam.range_m > 0) & (beam.range_m <= FARTHEST_M) & (layer >= 0) & (layer < layers)
    angle = np.deg2rad(beam.azimuth_deg)
    known = np.isfinite(angle)
    sector = np.where(known, np.where(known, beam.azimuth_deg, 0.0) % 360.0 * (SECTORS / 360.0), -1.0)
    return (
        np.sin(angle), np.cos(angle), np.minimum(sector, SECTORS - 1).astype(np.int32), sample[inside[sample]],
        np.where(inside, layer, 0).astype(np.int32), 1.0 / float(np.cos(np.deg2rad(beam.elevation_deg))),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _widest_gap(count: Doubles) -> Ints:
    """Longest run of empty sectors of each layer, around the circle."""
    layers, sectors = count.shape
    widest = np.zeros(layers, dtype=np.int32)
    for b in range(layers):
        run = 0
        for k in range(2 * sectors):
            run = run + 1 if count[b, k % sectors] == 0 else 0
            widest[b] = max(widest[b], run)
    return widest


@numba.njit(cache=True, nogil=True)
def _accumulate(  # noqa: PLR0913, PLR0917
    values: Floats, quality: Bytes, trusted: int, sine: Doubles, cosine: Doubles, sector: Ints, gates: Ints,
    layer: Ints, stretch: float, solution: Doubles, limit: Doubles, sums: Doubles, sectors: Doubles,
) -> None:  # fmt: skip
    """Add gates within `limit` of the last solution to the normal equations: 1 s c ss sc cc | y sy cy | yy."""
    for i in range(values.shape[0]):
        s, c = sine[i], cosine[i]
        if sector[i] < 0:
            continue
        for g in gates:
            if quality[i, g] < trusted:
                continue
            y = np.float64(values[i, g]) * stretch
            b = layer[g]
            if not abs(y - solution[b, 0] - solution[b, 1] * s - solution[b, 2] * c) <= limit[b]:
                continue
            if np.isnan(y):
                continue
            row = sums[b]
            row[0] += 1.0
            row[1] += s
            row[2] += c
            row[3] += s * s
            row[4] += s * c
            row[5] += c * c
            row[6] += y
            row[7] += s * y
            row[8] += c * y
            row[9] += y * y
            sectors[b, sector[i]] += 1.0

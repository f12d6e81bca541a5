"""What a radar receives along its rays: echo averaged over the beam, attenuation, noise, velocity, second trips.

A ray is known by the places under it every NODE_KM, between which it is straight: within 5 m. Slices of one storm go
to the very functions that say what is true (`field_kernels`), so that instrument and truth cannot differ.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from wxcore.simulate.field_kernels import NOTHING_DBZ, dbz_at, storm_wind
from wxcore.simulate.scene import KM_PER_DEG

Doubles = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

NODE_KM = 20.0

# Columns of a storm as the radar sees it: distance [km], azimuth [rad], half axes of its echo [km], heading of the
# first [rad], gates below its top; a value so far below the threshold [dB, dB/km of range] leaves all the beam below.
ARC, BEARING, ALONG, ACROSS, HEADING, GATES, SLACK, SLOPE = range(8)
# Columns of a point of the beam: which of the three elevations, offset to the right [rad], weight.
LEVEL, SIDE, WEIGHT = range(3)

NO_SIGNAL, WEATHER, CLUTTER = 0, 1, 2
V_GATES = 4
"""Velocity gates in one of reflectivity."""

BELOW, FOLDED_CODE, FIRST_CODE = 0, 1, 5
"""Codes below the threshold and of range folding; the smallest that is a value."""

WEATHER_WIDTH, CLUTTER_WIDTH = 133, 130
"""Codes of spectrum width: 2 and 0.5 m/s everywhere [our choice]."""

CLUTTER_SPREAD = 0.3
"""Part of the noise of velocity that ground has: its spectrum is narrow [our choice]."""


@njit(cache=True, nogil=True)
def _chord(azimuth: float, seen: Doubles, arc: Doubles) -> tuple[int, int]:
    """Gates [first, last) of a ray that may be in a storm's echo: a line through an ellipse."""
    if seen[ALONG] <= 0:
        return 0, 0
    turn, there = azimuth - seen[HEADING], seen[BEARING] - seen[HEADING]
    x, y = np.cos(turn) / seen[ALONG], np.sin(turn) / seen[ACROSS]
    x0, y0 = seen[ARC] * np.cos(there) / seen[ALONG], seen[ARC] * np.sin(there) / seen[ACROSS]
    square, product = x * x + y * y, x * x0 + y * y0
    root = product * product - square * (x0 * x0 + y0 * y0 - 1)
    if root <= 0:
        return 0, 0
    lo, hi = (product - np.sqrt(root)) / square, (product + np.sqrt(root)) / square
    return np.searchsorted(arc, lo), min(np.searchsorted(arc, hi), int(seen[GATES]))


@njit(cache=True, nogil=True)
def _paint(
    place: Doubles, beam: Doubles, points: Doubles, gates: tuple[int, int],
    cells: Doubles, shields: Doubles, faint: tuple[Doubles, float, float], best: Doubles,
) -> None:  # fmt: skip
    """Raise `best` (point, gate) to the echo of these storms; the points after the first only where it is near the
    threshold: `faint` is that, and SLACK and SLOPE."""
    for g in range(gates[0], gates[1]):
        for q in range(points.shape[0]):
            level = int(points[q, LEVEL])
            at = beam[level, 0, g] / NODE_KM
            i = int(at)
            east, north = place[0, i + 1] - place[0, i], place[1, i + 1] - place[1, i]
            aside = points[q, SIDE] * at
            lon = place[0, i] + (at - i) * east + aside * north * KM_PER_DEG / place[2, i]
            lat = place[1, i] + (at - i) * north - aside * east * place[2, i] / KM_PER_DEG
            value = dbz_at(lon, lat, beam[level, 1, g], cells, shields)
            best[q, g] = max(best[q, g], value)
            if q == 0 and value < faint[0][g] - faint[1] - faint[2] * beam[level, 0, g]:
                break


@njit(cache=True, nogil=True)
def fill_echo(
    azimuth: Doubles, places: Doubles, beam: Doubles, points: Doubles, floor: Doubles,
    storms: tuple[Doubles, Doubles, Doubles, Doubles], out: Doubles,
) -> None:  # fmt: skip
    """Reflectivity averaged over the beam [dBZ], NOTHING_DBZ where no storm is.

    Args:
        azimuth: (ray,) [rad].
        places: (ray, 3, node) longitude and latitude [deg] under the ray, km of a degree of longitude there.
        beam: (3, 2, gate) distance along the ground [km] and height ASL [m] of a lower, the middle and a higher beam.
        points: (point, 3) columns LEVEL, SIDE, WEIGHT, the beam's centre first.
        floor: (gate,) smallest that is seen [dBZ].
        storms: cells, shields, and how these and those are seen: columns ARC to SLOPE; ALONG 0: not at all.
        out: (ray, gate).
    """
    cells, shields, seen_cells, seen_shields = storms
    best = np.empty((points.shape[0], out.shape[1]))
    for ray in range(out.shape[0]):
        best[:] = NOTHING_DBZ
        first, last = out.shape[1], 0
        for k in range(cells.shape[0] + shields.shape[0]):
            j = k - cells.shape[0]
            seen = seen_cells[k] if j < 0 else seen_shields[j]
            lo, hi = _chord(azimuth[ray], seen, beam[1, 0])
            if lo >= hi:
                continue
            first, last = min(first, lo), max(last, hi)
            faint = floor, seen[SLACK], seen[SLOPE]
            if j < 0:
                _paint(places[ray], beam, points, (lo, hi), cells[k : k + 1], shields[:0], faint, best)
            else:
                _paint(places[ray], beam, points, (lo, hi), cells[:0], shields[j : j + 1], faint, best)
        out[ray] = NOTHING_DBZ
        for g in range(first, last):
            strongest = best[:, g].max()
            if strongest > NOTHING_DBZ:
                mean = 0.0
                for q in range(points.shape[0]):
                    mean += points[q, WEIGHT] * 10 ** ((best[q, g] - strongest) / 10)
                out[ray, g] = strongest + 10 * np.log10(mean)


@njit(cache=True, nogil=True)
def receive(
    dbz: Doubles, clutter: Doubles, floor: Doubles, loss: tuple[float, float, float],
    noise: tuple[float, Doubles, npt.NDArray[np.int64]], codes: Bytes, signal: Bytes,
) -> None:  # fmt: skip
    """Attenuate, add ground and noise, and code what is above the threshold.

    Args:
        dbz: (ray, gate of 1 km); becomes what the receiver sees [dBZ].
        clutter: (ray, gate) of the ground [dBZ]; as many gates as it reaches.
        floor: (gate,) smallest that is seen [dBZ].
        loss: a, b and the largest Z [dBZ] of k = a Z^b [dB/km, one way]; a 0: none.
        noise: standard deviation [dB], normal deviates, where in these each ray begins.
        codes: (ray, gate) half dBZ with offset 66; signal: (ray, gate) NO_SIGNAL, WEATHER or CLUTTER.
    """
    for ray in range(dbz.shape[0]):
        lost = 0.0
        for g in range(dbz.shape[1]):
            z = dbz[ray, g]
            mark = WEATHER
            if loss[0] > 0 and z > NOTHING_DBZ:
                k = loss[0] * 10 ** (loss[1] * min(z, loss[2]) / 10)
                z -= lost + k
                lost += 2 * k
            if g < clutter.shape[1] and clutter[ray, g] > z:
                z, mark = clutter[ray, g], CLUTTER
            z += noise[0] * noise[1][noise[2][ray] + g]
            seen = z >= floor[g]
            codes[ray, g] = max(min(int(2 * z + 66.5), 255), FIRST_CODE) if seen else BELOW
            signal[ray, g] = mark if seen else NO_SIGNAL
            dbz[ray, g] = z


@njit(cache=True, nogil=True)
def _folded(g: int, signal: Bytes, power: Doubles, spread: Doubles, trip_km: float) -> bool:
    """Whether a stronger echo lies one or more unambiguous ranges away; of one ray."""
    r = g + 0.5
    own = power[g] - spread[g] if signal[g] != NO_SIGNAL else -np.inf
    other = r - np.floor(r / trip_km) * trip_km
    while other < signal.size:
        k = int(other)
        if abs(other - r) > trip_km / 2 and signal[k] != NO_SIGNAL and power[k] - spread[k] > own:
            return True
        other += trip_km
    return False


@njit(cache=True, nogil=True)
def fill_velocity(
    places: Doubles, beam: Doubles, storms: tuple[Doubles, Doubles], heights: tuple[float, float],
    received: tuple[Bytes, Doubles, Doubles], limits: tuple[float, float],
    noise: tuple[float, Doubles, npt.NDArray[np.int64]], out: tuple[Bytes, Bytes],
) -> None:  # fmt: skip
    """Codes of radial velocity, folded at the Nyquist speed, and of spectrum width; away from the radar positive.

    Args:
        places: as in `fill_echo`.
        beam: (5, gate of 250 m): distance [km], height ASL [m], u, v of the environment [m s-1], cosine of the slope.
        storms: cells with wind at any height, and those with wind below the first of `heights`.
        heights: that, and of the ground [m ASL].
        received: signal and dBZ as from `receive`; (gate,) 20 log r, by which power falls with range.
        limits: Nyquist speed [m s-1], unambiguous range [km].
        noise: as in `receive` [m s-1].
        out: codes of velocity and of width, (ray, gate) half m/s with offset 129.
    """
    signal, power, spread = received
    (codes, width), (cells, low_cells) = out, storms
    folded = False
    for ray in range(codes.shape[0]):
        marks, loud = signal[ray], power[ray]
        for g in range(codes.shape[1]):
            mark = marks[g // V_GATES]
            if g % V_GATES == 0:
                folded = _folded(g // V_GATES, marks, loud, spread, limits[1])
            if folded or mark == NO_SIGNAL:
                codes[ray, g] = width[ray, g] = FOLDED_CODE if folded else BELOW
                continue
            error = noise[0] * noise[1][noise[2][ray] + g]
            speed = error * CLUTTER_SPREAD
            if mark == WEATHER:
                at = beam[0, g] / NODE_KM
                i = int(at)
                east, north = places[ray, 0, i + 1] - places[ray, 0, i], places[ray, 1, i + 1] - places[ray, 1, i]
                lon, lat = places[ray, 0, i] + (at - i) * east, places[ray, 1, i] + (at - i) * north
                if beam[1, g] < heights[0]:
                    u, v = storm_wind(lon, lat, beam[1, g], low_cells, heights[1])
                else:
                    u, v = storm_wind(lon, lat, beam[1, g], cells, heights[1])
                x, y = east * places[ray, 2, i], north * KM_PER_DEG
                along = ((u + beam[2, g]) * x + (v + beam[3, g]) * y) / np.sqrt(x * x + y * y)
                speed = along * beam[4, g] + error
            speed -= 2 * limits[0] * np.floor((speed + limits[0]) / (2 * limits[0]))
            codes[ray, g] = max(min(int(2 * speed + 129.5), 255), FIRST_CODE)
            width[ray, g] = WEATHER_WIDTH if mark == WEATHER else CLUTTER_WIDTH

"""Moments of a sweep as values on the gates of its DBZH, and where those gates are."""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from wxcore.radar.geometry import beam_height
from wxcore.radar.qc_kernels import NOTHING
from wxcore.radar.tilts import half_beam_deg
from wxcore.radar.volume import Moment, Site, Sweep

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Heights:
    """Heights ASL [m] by gate: of the beam's centre, and of its half-power bottom and top."""

    centre: npt.NDArray[np.float64]
    bottom: npt.NDArray[np.float64]
    top: npt.NDArray[np.float64]


def reflectivity(sweep: Sweep) -> Floats:
    """(ray, gate) DBZH [dBZ] as measured: NOTHING where observed without echo, NaN where nobody knows."""
    moment = sweep.moments["DBZH"]
    out = np.empty(moment.codes.shape, dtype=np.float32)
    _decode(moment.codes, moment.table(no_echo=NOTHING), np.arange(moment.codes.shape[1], dtype=np.int32), out)
    return out


def on_gates(sweep: Sweep, name: str) -> Floats | None:
    """(ray, gate of DBZH) values of another moment, each from its nearest gate; NaN where it has none.

    None where the sweep lacks the moment or DBZH, has other rays in it, or not one value.
    """
    moment, dbzh = sweep.moments.get(name), sweep.moments.get("DBZH")
    if moment is None or dbzh is None or not dbzh.codes.size or moment.codes.shape[0] != dbzh.codes.shape[0]:
        return None
    if not moment.codes.size or not moment.gate_m > 0:
        return None
    nearest = np.rint((gate_ranges(dbzh) - moment.first_gate_m) / moment.gate_m)
    column = np.where((nearest >= 0) & (nearest < moment.codes.shape[1]), nearest, -1).astype(np.int32)
    out = np.empty(dbzh.codes.shape, dtype=np.float32)
    return out if _decode(moment.codes, moment.table(), column, out) else None


def gate_ranges(moment: Moment) -> npt.NDArray[np.float64]:
    """(gate,) slant range of the centres [m]."""
    return moment.first_gate_m + moment.gate_m * np.arange(moment.codes.shape[1], dtype=np.float64)


def elevation_of(sweep: Sweep) -> float:
    """Median elevation of the rays [deg]; the cut's where no ray knows it."""
    known = sweep.elevation[np.isfinite(sweep.elevation)]
    return float(np.median(known)) if known.size else float(sweep.fixed_angle)


def heights(sweep: Sweep, site: Site) -> Heights:
    """Where the gates of DBZH are. The antenna stands at 0 m where its altitude is unknown."""
    slant, elevation, half = gate_ranges(sweep.moments["DBZH"]), elevation_of(sweep), half_beam_deg(site)
    altitude = site.altitude_m if np.isfinite(site.altitude_m) else 0.0
    centre, bottom, top = (altitude + beam_height(slant, elevation + off) for off in (0.0, -half, half))
    return Heights(centre, bottom, top)


@numba.njit(cache=True, nogil=True)
def _decode(codes: Codes, table: Floats, column: npt.NDArray[np.int32], out: Floats) -> bool:
    """Fill `out` through the table; is there any value?"""
    found = False
    for i in range(out.shape[0]):
        for g in range(out.shape[1]):
            k = column[g]
            v = table[codes[i, k]] if k >= 0 else np.float32(np.nan)
            out[i, g] = v
            found |= not np.isnan(v)
    return found

"""Hydrometeor classes by fuzzy logic: Park et al. (2009), tables 1 and 2, for S band; other bands by their constants.

Six variables (Z, ZDR, rhoHV, 10 log10 KDP, spread of Z, spread of PhiDP) have a membership in each class, whose
weighted mean is the class's score; the largest wins, and below LEAST_SCORE nobody knows. The melting layer limits
what may be (section 2d of the paper), by the beam's bottom, centre and top: no rain above it, no snow below. At C and
X band KDP is compared after division by the band's ratio, rain's ZDR may be larger and rhoHV lower (`Band`): Dolan et
al. (2013) and Dolan & Rutledge (2009) find that of all limits these move most; their tables are not used.

Ours: light rain is rain below LIGHT_DBZ; rain with hail above the melting layer is hail; big hail keeps its class
down to rhoHV 0.6 (DOMAIN.md 1.3). Memberships are tabulated in steps far below the noise of each variable.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from wxcore.radar.polarimetry import class_kernels
from wxcore.radar.polarimetry.band import Band
from wxcore.radar.polarimetry.class_kernels import Scales, Sizes
from wxcore.radar.polarimetry.gates import Heights
from wxcore.radar.qc_kernels import NOTHING
from wxcore.radar.volume import QC_CLUTTER, QC_GOOD, QC_NON_MET, QC_SPECKLE

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

NO_ECHO_CLASS, CLUTTER, BIOLOGICAL, LIGHT_RAIN, RAIN, HEAVY_RAIN, BIG_DROPS = 1, 2, 3, 4, 5, 6, 7
RAIN_HAIL, HAIL, GRAUPEL, DRY_SNOW, WET_SNOW, CRYSTALS = 8, 9, 10, 11, 12, 13
"""Flags of schema.POLARIMETRY, hydrometeor_class_low."""

MELTING_DEPTH_M = 500.0
"""Of the melting layer below 0 C where nothing better is known (Park et al. 2009; Giangrande et al. 2008)."""
LIGHT_DBZ = 30.0
"""About 2.5 mm/h [our choice]."""
LEAST_SCORE = 0.4
"""Park et al. 2009, section 2e."""
BIG_DROPS_LEAST_DBZ = 20.0
"""Weaker, a large ZDR is noise at the edge of an echo [our choice]."""
HAIL_DBZ, HAIL_RHOHV = 45.0, (0.55, 0.65)
"""From this strong on hail's rhoHV rises from the first to the second (DOMAIN.md 1.3: to ~0.6)."""
AVERAGE_M = 1000.0
"""Z, ZDR and rhoHV are means over this distance along the ray, as is the spread of Z (Park et al. 2009)."""

_GC, _BS, _DS, _WS, _CR, _GR, _BD, _RA, _HR, _RH = range(10)
_FLAGS = np.array(
    [CLUTTER, BIOLOGICAL, DRY_SNOW, WET_SNOW, CRYSTALS, GRAUPEL, BIG_DROPS, RAIN, HEAVY_RAIN, RAIN_HAIL], np.float32
)
_RAIN_LIKE = (_BD, _RA, _HR)

_WEIGHTS = np.array([
    (0.2, 0.4, 1.0, 0.0, 0.6, 0.8), (0.4, 0.6, 1.0, 0.0, 0.8, 0.8), (1.0, 0.8, 0.6, 0.0, 0.2, 0.2),
    (0.6, 0.8, 1.0, 0.0, 0.2, 0.2), (1.0, 0.6, 0.4, 0.5, 0.2, 0.2), (0.8, 1.0, 0.4, 0.0, 0.2, 0.2),
    (0.8, 1.0, 0.6, 0.0, 0.2, 0.2), (1.0, 0.8, 0.6, 0.0, 0.2, 0.2), (1.0, 0.8, 0.6, 1.0, 0.2, 0.2),
    (1.0, 0.8, 0.6, 1.0, 0.2, 0.2),
])  # fmt: skip
"""(class, variable): Park et al. 2009, table 2."""

_Z = np.array([
    (15, 20, 70, 80), (5, 10, 20, 30), (5, 10, 35, 40), (25, 30, 40, 50), (0, 5, 20, 25), (25, 35, 50, 55),
    (20, 25, 45, 50), (5, 10, 45, 50), (40, 45, 55, 60), (45, 50, 75, 80),
], dtype=np.float64)  # fmt: skip
_RHO = np.array([
    (0.5, 0.6, 0.9, 0.95), (0.3, 0.5, 0.8, 0.83), (0.95, 0.98, 1.0, 1.01), (0.88, 0.92, 0.95, 0.985),
    (0.95, 0.98, 1.0, 1.01), (0.90, 0.97, 1.0, 1.01), (0.92, 0.95, 1.0, 1.01), (0.95, 0.97, 1.0, 1.01),
    (0.92, 0.95, 1.0, 1.01), (0.85, 0.90, 1.0, 1.01),
])  # fmt: skip
_SD_Z = np.array([(2, 4, 10, 15), (1, 2, 4, 7), *[(0, 0.5, 3, 6)] * 8], dtype=np.float64)
_SD_PHI = np.array([(30, 40, 50, 60), (8, 10, 40, 60), *[(0, 1, 15, 30)] * 8], dtype=np.float64)
"""(class, corner): Park et al. 2009, table 1."""

_ALLOWED = (
    (_BS, _BD, _RA, _HR, _RH, _GC),
    (_BS, _WS, _GR, _BD, _RA, _HR, _RH, _GC),
    (_BS, _DS, _WS, _GR, _BD, _RH, _GC),
    (_BS, _DS, _WS, _CR, _GR, _BD, _RH, _GC),
    (_DS, _CR, _GR, _RH),
    (_GC, _BS),
)
"""By layer: below the melting layer; its bottom cut by the beam's top; centre inside; its top cut by the beam's
bottom; above; and, whatever the height, where quality control saw no weather."""
_ABOVE, _NO_WEATHER = 4, 5

_OUT = -100.0
"""Score of what cannot be."""


@dataclass(frozen=True)
class Fields:
    """What is known of a sweep, all (ray, gate), NaN unknown; `zdr`, `kdp` and `texture` may be all NaN.

    Attributes:
        z: [dBZ], NOTHING without echo. zdr: [dB]. rho: rhoHV. kdp: [deg km-1]. texture: spread of PhiDP [deg].
        qc: QC_* values.
    """

    z: Floats
    zdr: Floats
    rho: Floats
    kdp: Floats
    texture: Floats
    qc: npt.NDArray[np.uint8]


def hydrometeors(fields: Fields, heights: Heights, h0_m: float, gate_m: float, band: Band) -> tuple[Floats, int]:
    """(ray, gate) flags of schema.POLARIMETRY and the number of gates with hail.

    The flag is 1 without echo, also where quality control saw a speckle, as in `tilts`; NaN where unknown or no class
    fits.

    Args:
        heights: of the gates, ASL.
        h0_m: 0 C ASL, the top of the melting layer.
        gate_m: distance of gates.
    """
    out = np.empty_like(fields.z)
    half = max(1, round(AVERAGE_M / 2 / gate_m))
    columns = (fields.z, fields.zdr, fields.rho, fields.kdp, fields.texture)
    layer = layers(heights, h0_m)
    hail = class_kernels.classify(columns, fields.qc, layer, *memberships(band), _SCALES, half, out)
    return out, int(hail)


def layers(heights: Heights, h0_m: float) -> npt.NDArray[np.int32]:
    """(gate,) 0 below the melting layer to 4 above it: rows of what is allowed."""
    base = h0_m - MELTING_DEPTH_M
    found = np.where(heights.centre < base, 1, np.where(heights.centre < h0_m, 2, 3))
    found = np.where(heights.top < base, 0, found)
    return np.where(heights.bottom >= h0_m, _ABOVE, found).astype(np.int32)


_SCALES = Scales(
    nothing=NOTHING, z0=-10.0, z_step=1.0, zdr0=-4.5, zdr_step=0.0625, rho0=0.3, rho_step=0.0025,
    sd_z_step=0.25, sd_phi_step=1.0, kdp0_db=-30.0, kdp_step_db=0.5, kdp_least=1e-3, hail_dbz=HAIL_DBZ,
    least_score=LEAST_SCORE, clutter=float(CLUTTER), no_echo=float(NO_ECHO_CLASS), light=float(LIGHT_RAIN),
    light_dbz=LIGHT_DBZ, rain=float(RAIN), hail=float(HAIL), rain_hail=float(RAIN_HAIL), above=_ABOVE,
    no_weather=_NO_WEATHER, no_weather_classes=2, qc_good=QC_GOOD, qc_speckle=QC_SPECKLE,
    qc_clutter=QC_CLUTTER, qc_non_met=QC_NON_MET,
)  # fmt: skip
_Z_SIZE, _ZDR_SIZE, _RHO_SIZE, _SD_Z_SIZE, _SD_PHI_SIZE, _KDP_SIZE = 96, 212, 301, 64, 64, 96


@lru_cache(maxsize=3)
def memberships(band: Band) -> tuple[Floats, Sizes]:
    """Weighted memberships by index of each variable (that of Z in ZDR's), then what is allowed by layer, 1 over the
    sum of weights by what is known (bits: ZDR, KDP, spread of PhiDP), and the flags; the class runs fastest. One flat
    array, for numba counts references to every array that a loop hands on.
    """
    z = _axis(_SCALES.z0, _SCALES.z_step, _Z_SIZE)
    zdr = _axis(_SCALES.zdr0, _SCALES.zdr_step, _ZDR_SIZE)
    kdp_db = _axis(_SCALES.kdp0_db - 10.0 * float(np.log10(band.kdp_ratio)), _SCALES.kdp_step_db, _KDP_SIZE)
    sd_z, sd_phi = _axis(0.0, _SCALES.sd_z_step, _SD_Z_SIZE), _axis(0.0, _SCALES.sd_phi_step, _SD_PHI_SIZE)
    allowed = np.full((len(_ALLOWED), 10), _OUT)
    for layer, classes in enumerate(_ALLOWED):
        allowed[layer, list(classes)] = 0.0
    known = np.array([[1, k & 1, 1, k >> 1 & 1, 1, k >> 2 & 1] for k in range(8)])
    of_z = (_WEIGHTS[:, 0] * trapezoid(z[:, np.newaxis], *_Z.T) + _impossible_z(z))[:, np.newaxis]
    parts = [
        _table(_WEIGHTS[:, 1] * _zdr_memberships(z, zdr, band.zdr_wider) + _impossible_zdr(z, zdr)) + of_z,
        _table(_WEIGHTS[:, 2] * _rho_memberships(band.rhohv_lower)),
        _table(_WEIGHTS[:, 3] * _kdp_memberships(z, kdp_db)),
        _table(_WEIGHTS[:, 4] * trapezoid(sd_z[:, np.newaxis], *_SD_Z.T)),
        _table(_WEIGHTS[:, 5] * trapezoid(sd_phi[:, np.newaxis], *_SD_PHI.T)),
        allowed,
        1.0 / (known @ _WEIGHTS.T),
        _FLAGS[np.newaxis],
    ]
    begins = np.cumsum([0, *(part.size for part in parts)])
    sizes = Sizes(10, z.size, *(part.shape[-2] for part in parts[:5]), *(int(at) for at in begins[1:8]))
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32), sizes


def _axis(first: float, step: float, size: int) -> Doubles:
    return np.asarray(first + step * np.arange(size), dtype=np.float64)


def _table(weighted: Doubles) -> Doubles:
    """With a row of zeros as last entry of the last variable: what is unknown adds nothing."""
    rows = [(0, 0)] * weighted.ndim
    rows[-2] = (0, 1)
    return np.pad(weighted, rows)


def trapezoid(x: npt.ArrayLike, a: npt.ArrayLike, b: npt.ArrayLike, c: npt.ArrayLike, d: npt.ArrayLike) -> Doubles:
    """Membership: 1 from b to c, 0 up to a and from d on, linear between. Broadcasts."""
    x, a, b, c, d = (np.asarray(v, dtype=np.float64) for v in (x, a, b, c, d))
    rising = np.clip((x - a) / np.maximum(b - a, 1e-9), 0.0, 1.0)
    falling = np.clip((d - x) / np.maximum(d - c, 1e-9), 0.0, 1.0)
    return np.asarray(np.minimum(rising, falling))


def _curves(z: Doubles) -> tuple[Doubles, Doubles, Doubles, Doubles, Doubles]:
    """f1, f2, f3 [dB] and g1, g2 [dB over 1 deg km-1] of Park et al. 2009, eq. 4."""
    f1 = -0.50 + 2.50e-3 * z + 7.50e-4 * z**2
    f2 = 0.68 - 4.81e-2 * z + 2.92e-3 * z**2
    f3 = 1.42 + 6.67e-2 * z + 4.85e-4 * z**2
    return f1, f2, f3, -44.0 + 0.8 * z, -22.0 + 0.5 * z


def _zdr_memberships(z: Doubles, zdr: Doubles, wider: float) -> Doubles:
    """(Z, ZDR, class)."""
    f1, f2, f3, _, _ = _curves(z[:, np.newaxis])
    zero, ice = np.zeros_like(f1), np.maximum(f1, 0.0)
    rain = (f1 - 0.3, f1, np.maximum(f2, f1) + wider, np.maximum(f2, f1) + 0.5 + wider)
    corners = [
        (zero - 4, zero - 2, zero + 1, zero + 2), (zero, zero + 2, zero + 10, zero + 12),
        (zero - 0.3, zero, zero + 0.3, zero + 0.6), (zero + 0.5, zero + 1, zero + 2, zero + 3),
        (zero + 0.1, zero + 0.4, zero + 3.0, zero + 3.3), (zero - 0.3, zero, ice, ice + 0.3),
        (f2 - 0.3, f2, f3 + wider, f3 + 1.0 + wider), rain, rain,
        (zero - 0.3, zero, ice, ice + 0.5),
    ]  # fmt: skip
    return np.stack([trapezoid(zdr, *four) for four in corners], axis=-1)


def _rho_memberships(lower: float) -> Doubles:
    """(is Z that of hail?, rhoHV, class). What the radar measures above 1 is noise and counts as 1."""
    rho = np.minimum(_axis(_SCALES.rho0, _SCALES.rho_step, _RHO_SIZE), 1.0)
    corners = _RHO.copy()
    corners[[*_RAIN_LIKE, _RH], :2] -= lower
    table = np.tile(trapezoid(rho[:, np.newaxis], *corners.T), (2, 1, 1))
    table[1, :, _RH] = trapezoid(rho, *HAIL_RHOHV, 1.0, 1.01)
    return table


def _kdp_memberships(z: Doubles, kdp_db: Doubles) -> Doubles:
    """(Z, 10 log10 KDP, class); only crystals, heavy rain and rain with hail have a weight."""
    _, _, _, g1, g2 = _curves(z[:, np.newaxis])
    table = np.zeros((z.size, kdp_db.size, 10))
    table[:, :, _CR] = trapezoid(kdp_db, -5.0, 0.0, 10.0, 15.0)
    table[:, :, _HR] = trapezoid(kdp_db, g1 - 1.0, g1, g2, g2 + 1.0)
    table[:, :, _RH] = trapezoid(kdp_db, -10.0, -4.0, g1, g1 + 1.0)
    return table


def _impossible_z(z: Doubles) -> Doubles:
    """(Z, class): _OUT where the paper's table 3 excludes the class, else 0.

    Ours: what is as strong as hail and passed quality control is neither clutter nor alive.
    """
    out = np.zeros((z.size, 10))
    out[z > 50.0, _RA] = _OUT
    out[z < 20.0, _WS] = _OUT
    out[z < BIG_DROPS_LEAST_DBZ, _BD] = _OUT
    out[(z < 10.0) | (z > 60.0), _GR] = _OUT
    out[z < 30.0, _HR] = _OUT
    out[z < 40.0, _RH] = _OUT
    out[z >= HAIL_DBZ, _GC] = out[z >= HAIL_DBZ, _BS] = _OUT
    return out


def _impossible_zdr(z: Doubles, zdr: Doubles) -> Doubles:
    """(Z, ZDR, class): likewise, by ZDR."""
    _, f2, _, _, _ = _curves(z[:, np.newaxis])
    out = np.zeros((z.size, zdr.size, 10))
    out[:, zdr > 2.0, _DS] = _OUT
    out[:, zdr < 0.0, _WS] = _OUT
    out[:, :, _BD] = (zdr < f2 - 0.3) * _OUT
    return out

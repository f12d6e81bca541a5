"""Small volumes for the tests of tilts and mosaic: u1 codes, dBZ = (code - 66) / 2; 0 missing, 1 no echo, 2 folded."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np

from wxcore.radar.volume import ECHO, FOLDED, MISSING, NO_ECHO, Moment, Site, Sweep, Volume

WHEN = datetime(2020, 6, 12, 5, 39, 20, tzinfo=UTC)
SITE = Site("Z9001", "Test", 30.0, 106.0, 500.0, beam_width_deg=1.0)
CLASSES = np.full(256, ECHO, dtype=np.uint8)
CLASSES[:5] = (MISSING, NO_ECHO, FOLDED, MISSING, MISSING)
MISSING_CODE, NO_ECHO_CODE = 0, 1

Field = Callable[[np.ndarray, np.ndarray], np.ndarray]


def sweep(
    elevation: float, dbz: float | Field, *, gates: int = 300, rays: int = 360, gate_m: float = 1000.0,
    qc: Sequence[int] | None = None,
) -> Sweep:  # fmt: skip
    """A cut of constant dBZ, or of a function of (azimuth [deg], slant range [m]); NaN is no echo."""
    azimuth = np.roll((np.arange(rays) + 0.5) * 360 / rays, 17)
    ranges = gate_m / 2 + gate_m * np.arange(gates)
    values = dbz(azimuth[:, None], ranges[None, :]) if callable(dbz) else np.full((rays, gates), dbz)
    codes = np.where(np.isnan(values), NO_ECHO_CODE, np.rint(np.nan_to_num(values) * 2 + 66)).astype(np.uint8)
    return Sweep(
        elevation, azimuth.astype("f4"), np.full(rays, elevation, "f4"), np.full(rays, np.datetime64(0, "ns")),
        np.nan, {"DBZH": Moment(codes, 2.0, 66.0, gate_m / 2, gate_m, CLASSES)},
        None if qc is None else np.tile(np.array(qc, dtype=np.uint8), (rays, 1)),
    )  # fmt: skip


def volume(sweeps: Sequence[Sweep], *, site: Site = SITE, start: datetime = WHEN) -> Volume:
    """A volume of these cuts."""
    return Volume("test", site, start, "VCP", tuple(sweeps))

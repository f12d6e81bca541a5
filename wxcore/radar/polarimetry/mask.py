"""Gates that dual polarisation does not take for weather (DOMAIN.md 1.3, step 3), with the exception for hail."""

import numpy as np
import numpy.typing as npt

from wxcore.radar import qc_kernels
from wxcore.radar.polarimetry.gates import on_gates
from wxcore.radar.volume import Sweep

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

MET_MIN_RHOHV, MET_MAX_PHIDP_SPREAD, MET_MIN_SNR_DB, PHIDP_HALF_GATES = 0.85, 20.0, 3.0, 3
"""Weather: rhoHV at least, PhiDP standard deviation over 7 gates at most [deg], SNR at least (DOMAIN.md 1.3)."""
BIO_MAX_DBZ, BIO_MAX_RHOHV, BIO_MAX_PHIDP_SPREAD, BIO_MAX_SNR_DB = 15.0, 0.97, 10.0, 20.0
"""Insects, birds, clear air: all of them at most (DOMAIN.md 1.3)."""
HAIL_MIN_DBZ, HAIL_MIN_RHOHV = 45.0, 0.6
"""Big hail lowers rhoHV by Mie scattering: this strong, only a lower rhoHV rejects (DOMAIN.md 1.3)."""


def no_weather(sweep: Sweep, z: Floats) -> Bools | None:
    """(ray, gate) echoes that are no weather; None where the sweep has no RHOHV on the gates of DBZH.

    Args:
        z: (ray, gate) DBZH [dBZ], NOTHING without echo, NaN unknown.
    """
    rhohv = _on_same_gates(sweep, "RHOHV")
    if rhohv is None:
        return None
    phidp, snr = _on_same_gates(sweep, "PHIDP"), _on_same_gates(sweep, "SNRH")
    roughness = np.full(z.shape, np.nan, dtype=np.float32)
    if phidp is not None:
        qc_kernels.spread(phidp, PHIDP_HALF_GATES, PHIDP_HALF_GATES, roughness)
    with np.errstate(invalid="ignore"):
        rejected = (rhohv < MET_MIN_RHOHV) | (roughness > MET_MAX_PHIDP_SPREAD)
        if snr is not None:
            smooth = ~(roughness > BIO_MAX_PHIDP_SPREAD)
            faint = (z <= BIO_MAX_DBZ) & (snr <= BIO_MAX_SNR_DB)
            rejected |= (snr < MET_MIN_SNR_DB) | (faint & (rhohv <= BIO_MAX_RHOHV) & smooth)
        hail = (z >= HAIL_MIN_DBZ) & ~(rhohv < HAIL_MIN_RHOHV)
        return np.asarray((z > qc_kernels.NOTHING) & rejected & ~hail)


def _on_same_gates(sweep: Sweep, name: str) -> Floats | None:
    """Values of a moment whose gates are those of DBZH, NaN beyond its last; None if they are others."""
    moment, dbzh = sweep.moments.get(name), sweep.moments["DBZH"]
    if moment is None or abs(moment.gate_m - dbzh.gate_m) > 1 or abs(moment.first_gate_m - dbzh.first_gate_m) > 1:
        return None
    return on_gates(sweep, name)

"""Velocity dealiasing: which multiple of twice the Nyquist velocity each gate lacks.

1. The Nyquist velocity is checked against the velocities (nyquist.py).
2. A sweep falls into regions of smooth gates without a fold inside. Gates that their neighbours contradict (noise,
   speckle, clutter edges, the core of a vortex) are in none, so that they tie nothing together.
3. Gates on both sides of a border vote for the fold between two regions; borders across gaps vote less. What is
   expected at a place (the next tilt at about the same height, else the wind profile) votes as one more region.
   Regions merge along their strongest votes first.
4. The first sweep, the surest whose largest connected echo reaches around the circle, has no tilt to lean on. It is
   folded so that the mean around the circle is nearest to zero; its wind serves the others. A background wind that
   contradicts it is not used. Vertical scans and beams straight up are unfolded alone.
5. Pieces of a ray that contradict their ray on both sides follow it: far out gates are nearer than rays.
6. Single gates follow their neighbours. Nothing is smoothed: values are VRADH plus whole folds.
After Herraez et al. (2002) for the order of merging, Py-ART's region based method (Helmus & Collis 2016) for borders
that vote, and UNRAVEL (Louf et al. 2020) for the continuity between tilts.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wxcore.radar.velocity.nyquist import nyquist_of
from wxcore.radar.velocity.solve import solve
from wxcore.radar.velocity.wind import NO_WIND, WindProfile
from wxcore.radar.velocity.work import Work, prepare
from wxcore.radar.volume import Sweep, Velocity, Volume

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


def unfold(volume: Volume, *, background: WindProfile | None = None) -> Volume:
    """The volume with `velocity` in each sweep with usable VRADH; everything else as is. Always returns.

    A sweep without a Nyquist velocity, stated or found, gets none; `remarks` says where the header's was not believed,
    or the background. Rays without azimuth (in a vertical scan, elevation) stay as measured, with quality 0.

    Args:
        background: wind at the volume's time, from the volume before (`wind.wind_profile`), a sounding or a model. It
            decides how often an echo that hangs together is folded; without one, or where it contradicts
            a circle of echo, that is taken from the circle's mean.
    """
    works, remarks = [], []
    for number, sweep in enumerate(volume.sweeps):
        if "VRADH" not in sweep.moments or sweep.moments["VRADH"].codes.shape[0] != sweep.azimuth.size:
            continue
        found = nyquist_of(sweep)
        if found.remark:
            remarks.append(f"sweep {number + 1}: {found.remark}")
        if np.isfinite(found.used):
            works.append(prepare(number, sweep, found))
    altitude = volume.site.altitude_m if np.isfinite(volume.site.altitude_m) else 0.0
    remarks += solve(works, background or NO_WIND, altitude)
    sweeps = list(volume.sweeps)
    for work in works:
        values, quality = _as_filed(work, sweeps[work.number])
        velocity = Velocity(values, quality, work.score, work.nyquist.used)
        sweeps[work.number] = replace(sweeps[work.number], velocity=velocity)
    return replace(volume, sweeps=tuple(sweeps), remarks=(*volume.remarks, *remarks))


def _as_filed(work: Work, sweep: Sweep) -> tuple[Floats, Bytes]:
    """Values and quality in the file's order of rays; rays without angle as measured, of no quality."""
    rays = sweep.azimuth.size
    if work.order.size == rays:
        back = np.argsort(work.order)
        return np.take(work.values, back, axis=0), np.take(work.quality, back, axis=0)
    values, quality = sweep.moments["VRADH"].values(), np.zeros(sweep.moments["VRADH"].codes.shape, dtype=np.uint8)
    values[work.order], quality[work.order] = work.values, work.quality
    return values, quality

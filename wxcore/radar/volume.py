"""A radar volume in memory: raw codes with their scale, as the file holds them. Every reader ends here.

Codes stay codes until the last step, because a table of 256 or 65,536 entries turns them into whatever a step
needs (PERFORMANCE.md, "How the speed was got", 3). `datatree.to_datatree` gives the CfRadial2/FM301 view.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

ECHO, NO_ECHO, FOLDED, MISSING = 0, 1, 2, 3
"""Classes of a code: a value; observed but below the threshold; range folded; nobody knows."""

QC_GOOD, QC_SPECKLE, QC_SPIKE, QC_CLUTTER, QC_NON_MET = 0, 1, 2, 3, 4
QC_MEANINGS = {
    QC_GOOD: "good", QC_SPECKLE: "speckle", QC_SPIKE: "spike", QC_CLUTTER: "clutter", QC_NON_MET: "non_meteorological",
}  # fmt: skip
"""Values of `Sweep.qc` and their CF flag_meanings."""

SIMULATED_TASK = "SYN"
"""A task name that begins so marks a simulated volume: the file itself says it."""


@dataclass(frozen=True)
class Site:
    """Where the antenna is. `altitude_m` is the antenna's height ASL; NaN position where the file has none."""

    id: str
    name: str
    latitude: float
    longitude: float
    altitude_m: float
    frequency_mhz: float = np.nan
    beam_width_deg: float = 1.0


@dataclass(frozen=True)
class Moment:
    """One moment of a sweep.

    Attributes:
        codes: (ray, gate) u1 or u2.
        scale, offset: value = (code - offset) / scale, in the moment's units.
        first_gate_m: slant range of the centre of gate 0 [m]; gate_m: distance of gates [m].
        classes: (256,) or (65536,) u1: ECHO, NO_ECHO, FOLDED or MISSING for each code. A ragged ray is padded
            with a code whose class is MISSING.
    """

    codes: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    scale: float
    offset: float
    first_gate_m: float
    gate_m: float
    classes: npt.NDArray[np.uint8]

    def table(self, *, no_echo: float = np.nan) -> npt.NDArray[np.float32]:
        """Value of each code, (256,) or (65536,): NaN where folded or missing, `no_echo` where nothing was seen."""
        codes = np.arange(self.classes.size, dtype=np.float64)
        values = ((codes - self.offset) / self.scale).astype(np.float32)
        values[self.classes == NO_ECHO] = no_echo
        values[self.classes >= FOLDED] = np.nan
        return values

    def values(self, *, no_echo: float = np.nan) -> npt.NDArray[np.float32]:
        """(ray, gate) values in the moment's units; NaN as in `table`."""
        return self.table(no_echo=no_echo)[self.codes]


@dataclass(frozen=True)
class Velocity:
    """What dealiasing made of a sweep's VRADH; arrays are (ray, gate of VRADH).

    Attributes:
        values: unfolded radial velocity [m s-1], away from the radar positive; NaN where VRADH has none, is range
            folded, or was rejected. FM301 calls it VRADDH.
        quality: u1 percent that the fold is right; 0 where `values` is NaN.
        score: part of the gates whose fold agrees with all neighbours and witnesses, 0..1; NaN without gates.
        nyquist: that was used [m s-1]; may differ from a header that proved wrong.
    """

    values: npt.NDArray[np.float32]
    quality: npt.NDArray[np.uint8]
    score: float
    nyquist: float


@dataclass(frozen=True)
class Sweep:
    """One cut: rays in the order of the file.

    Attributes:
        fixed_angle: elevation of the cut [deg].
        azimuth, elevation: (ray,) [deg]; azimuth clockwise from north.
        time: (ray,) datetime64[ns] UTC.
        nyquist: [m s-1], NaN where unknown.
        moments: FM301 name (DBZH, VRADH, WRADH, ZDR, RHOHV, PHIDP, KDP, SNRH, ... DBTH) to Moment.
        qc: (ray, gate of DBZH) u1 of QC_* values; None before quality control.
        velocity: what dealiasing found; None before it, and without VRADH.
        derived: (ray, gate of DBZH) f4 by FM301 name: what supersedes the moment of that name downstream, such as DBZH
            corrected for attenuation; NaN where unknown. The moments themselves stay as measured.
    """

    fixed_angle: float
    azimuth: npt.NDArray[np.float32]
    elevation: npt.NDArray[np.float32]
    time: npt.NDArray[np.datetime64]
    nyquist: float
    moments: dict[str, Moment]
    qc: npt.NDArray[np.uint8] | None = None
    velocity: Velocity | None = None
    derived: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class Volume:
    """A volume scan.

    Attributes:
        start: aware UTC.
        remarks: short English notes on what was odd in the file but did not stop us.
        truncated_at: byte at which the file ends too early; the sweeps hold its whole rays. None where it is whole.
    """

    format: str
    site: Site
    start: datetime
    task: str
    sweeps: tuple[Sweep, ...]
    remarks: tuple[str, ...] = field(default=())
    truncated_at: int | None = None

    def at(self, site: Site) -> "Volume":
        """The same volume with another site (from station_meta)."""
        return replace(self, site=site)

"""What a variable or a column of a table is: name, dims, units, range, and the CF words that describe it."""

from dataclasses import dataclass

import numpy as np

NO_ECHO_DBZ = -10.0
"""Reflectivity [dBZ] that stands for "observed, no echo". Weaker echoes are raised to it (DOMAIN.md 1.4)."""

VELOCITY_OBSERVED, VELOCITY_FOLDED = 1, 2
"""Flag values of `velocity_observed`: a radial velocity is known near the ground; only range-folded echo is there."""

OBSERVED_NONE, OBSERVED_COMPOSITE, OBSERVED_VOLUME = 0, 1, 2
"""Flag values of `observed`: no radar looked here; a 2-D composite only; radar beams in three dimensions."""

TIME, HEIGHT, LAT, LON = "time", "height", "lat", "lon"
COLUMN = (TIME, LAT, LON)
CUBE = (TIME, HEIGHT, LAT, LON)


@dataclass(frozen=True)
class Var:
    """One variable: its dims, units and range, and the CF words that describe it."""

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    standard_name: str = ""
    dtype: str = "f4"
    valid_min: float = -np.inf
    valid_max: float = np.inf
    flags: tuple[tuple[int, str], ...] = ()

    @property
    def attrs(self) -> dict[str, object]:
        """CF attributes of the variable."""
        attrs: dict[str, object] = {"units": self.units, "long_name": self.long_name}
        if self.standard_name:
            attrs["standard_name"] = self.standard_name
        if self.flags:
            attrs["flag_values"] = np.array([value for value, _ in self.flags], dtype=self.dtype)
            attrs["flag_meanings"] = " ".join(meaning for _, meaning in self.flags)
        return attrs


@dataclass(frozen=True)
class Column:
    """One column of a table. `kind`: "str", "float", "int", "time" (datetime64[ns]), "object"."""

    name: str
    kind: str
    units: str
    meaning: str
    valid_min: float = -np.inf
    valid_max: float = np.inf

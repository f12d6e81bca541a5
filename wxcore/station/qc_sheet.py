"""Where the checks write what they find, and the constants that several of them share."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.schema import ELEMENT_NAMES, QC_BAD, REASON

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

TEMPERATURE, DEW_POINT, HUMIDITY = "air_temperature", "dew_point_temperature", "relative_humidity"
PRESSURE, SEA_LEVEL = "air_pressure", "air_pressure_at_mean_sea_level"
WIND, WIND_10MIN, GUST = "wind_speed", "wind_speed_10min", "wind_speed_of_gust"
DIRECTION, DIRECTION_10MIN = "wind_from_direction", "wind_from_direction_10min"
RAIN, RAIN_1MIN = "precipitation_1h", "precipitation_1min"
GUST_WITNESSES = "gust_witnesses"
"""Variable of the judged observations: see qc_witness."""
LAPSE = -0.0065
"""Of temperature [K m-1], standard atmosphere (DOMAIN.md 2.6)."""


@dataclass
class Sheet:
    """Observations under judgement.

    Attributes:
        minute: (time,) i4, minutes since the first; elevation, barometer: (station,) f4 [m].
        values: element -> (time, station) f4; what a check finds bad is NaN for the checks after it.
        level: element -> (time, station) u1, QC_GOOD ... QC_BAD; reason: -> u2, bits of REASON.
    """

    minute: npt.NDArray[np.int32]
    elevation: Floats
    barometer: Floats
    values: dict[str, Floats]
    level: dict[str, npt.NDArray[np.uint8]]
    reason: dict[str, npt.NDArray[np.uint16]]

    def mark(self, element: str, where: Mask, level: int, reason: str) -> None:
        """Raise the element's flag to `level` where the mask says, and note why."""
        if where.any():
            np.maximum(self.level[element], level, out=self.level[element], where=where)
            np.bitwise_or(self.reason[element], REASON[reason], out=self.reason[element], where=where)
            if level == QC_BAD:
                self.values[element][where] = np.nan

    def of(self, element: str) -> Floats:
        """The element's values; NaN everywhere where nobody reports it."""
        nothing = np.full((self.minute.size, self.elevation.size), np.nan, "f4")
        return self.values.get(element, nothing)


def sheet_of(obs: xr.Dataset) -> Sheet:
    """Copies of a Dataset's elements, nothing flagged."""
    names = [name for name in ELEMENT_NAMES if name in obs]
    with np.errstate(over="ignore", invalid="ignore"):
        values = {name: np.array(obs[name].values, "f4", order="C") for name in names}
        elevation = np.asarray(obs["elevation"].values, "f4")
        barometer = np.asarray(obs["barometer"].values, "f4") if "barometer" in obs.coords else elevation
    times = obs["time"].values.astype("datetime64[s]").astype("i8")
    minute = ((times - times[:1].sum()) // 60).astype("i4")
    level = {name: np.zeros(values[name].shape, "u1") for name in names}
    reason = {name: np.zeros(values[name].shape, "u2") for name in names}
    return Sheet(minute, elevation, barometer, values, level, reason)

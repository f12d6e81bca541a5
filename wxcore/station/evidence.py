"""What radar and lightning say at the stations: asked by quality control and by the truth of gales."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RADAR_KM = 15.0
"""How far from the station an echo speaks for its gust (DOMAIN.md 2.6)."""
FLASH_KM = 20.0
"""The same for lightning [our choice]: a flash is located to some km, and outflow runs ahead of the cell."""
EVIDENCE_MIN = 30.0
"""How old echo or flash may be [our choice]: an outflow of 15 m/s runs 27 km in that time."""
CONVECTIVE_DBZ = 35.0
"""Composite reflectivity from which an echo is a cell (DOMAIN.md 2.6)."""


@dataclass(frozen=True)
class Evidence:
    """What other instruments saw near each station.

    Attributes:
        max_dbz: (station,) f4 [dBZ], largest composite reflectivity within RADAR_KM in the last EVIDENCE_MIN; NaN
            where no radar looked (a radar that looked and saw nothing gives a number, such as -32).
        flashes: (station,) f4, lightning flashes within FLASH_KM in the last EVIDENCE_MIN; NaN where nobody looked.
    """

    max_dbz: npt.NDArray[np.float32]
    flashes: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.max_dbz.ndim != 1 or self.max_dbz.shape != self.flashes.shape:
            raise ValueError(f"evidence is (station,): max_dbz {self.max_dbz.shape}, flashes {self.flashes.shape}")

    @property
    def echo(self) -> npt.NDArray[np.bool_]:
        """(station,): a cell is near."""
        return np.asarray(self.max_dbz >= CONVECTIVE_DBZ)

    @property
    def lightning(self) -> npt.NDArray[np.bool_]:
        """(station,): it flashed near."""
        return np.asarray(self.flashes > 0)

    @property
    def asked(self) -> npt.NDArray[np.bool_]:
        """(station,): a radar or a lightning network looked there."""
        return np.asarray(np.isfinite(self.max_dbz) | np.isfinite(self.flashes))


def nothing_seen(stations: int) -> Evidence:
    """Evidence where neither radar nor lightning network looked: NaN everywhere."""
    empty = np.full(stations, np.nan, "f4")
    return Evidence(empty, empty)

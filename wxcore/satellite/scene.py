"""What one satellite instrument saw over a box, calibrated, on its own pixels."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from wxcore.satellite.geometry import Geometry
from wxcore.schema import Description

Floats = npt.NDArray[np.float32]

MARGIN_DEG = 0.5
"""Readers keep this much around the box [deg]: a cloud top of 18 km is displaced by up to 0.2 degree (DOMAIN.md 2.5),
and pixels at the rim are 10 km long."""

BRIGHTNESS_TEMPERATURE, REFLECTANCE = "brightness_temperature", "reflectance"

VALID: dict[str, tuple[float, float]] = {BRIGHTNESS_TEMPERATURE: (100.0, 500.0), REFLECTANCE: (0.0, 2.0)}
"""What each quantity can be [K], [1]: the bounds of schema.IMAGE. Anything else comes of damaged calibration."""


@dataclass(frozen=True)
class Band:
    """A part of the spectrum that several instruments see: name of the field on the grid, wavelengths [um]."""

    name: str
    low_um: float
    high_um: float
    quantity: str = BRIGHTNESS_TEMPERATURE


BANDS: tuple[Band, ...] = (
    Band("reflectance_065", 0.60, 0.70, REFLECTANCE),
    Band("brightness_temperature_038", 3.5, 4.1),
    Band("brightness_temperature_062", 6.0, 6.6),
    Band("brightness_temperature_070", 6.6, 7.2),
    Band("brightness_temperature_073", 7.2, 7.8),
    Band("brightness_temperature_085", 8.2, 8.9),
    Band("brightness_temperature_108", 10.2, 11.5),
    Band("brightness_temperature_120", 11.6, 12.7),
    Band("brightness_temperature_133", 13.0, 13.8),
)
"""Channels are chosen by wavelength and never by number: FY-4A's C12 and FY-4B's C13 are both 10.8 um (DOMAIN.md 2.5).
Lower bounds belong to a band, upper bounds do not. GHI's broad 11.4 um window counts as 10.8 um."""


@dataclass(frozen=True)
class Channel:
    """One channel of a scene.

    Attributes:
        number: the instrument's own number, for messages only; wavelength_um: centre.
        quantity: BRIGHTNESS_TEMPERATURE [K] or REFLECTANCE [1, 1.0 = all].
        values: (line, column) float32; NaN: no data (fill, saturated, bad line, outside of the Earth's disk).
    """

    number: int
    wavelength_um: float
    quantity: str
    values: Floats


def within_range(values: npt.NDArray[np.floating], quantity: str) -> Floats:
    """`values` of any shape as float32, NaN where they are not in VALID of their quantity (infinite ones too).

    Every reader passes its values through here, so none out of range gets further.
    """
    low, high = VALID[quantity]
    return np.where((values >= low) & (values <= high), values, np.nan).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Scene:
    """One instrument's channels over a box, all on the pixels of `geometry`. Each is equal to itself only.

    Attributes:
        format: name of the file format; platform: "FY-4B"; instrument: "AGRI"; resolution_m: nominal pixel [m].
        start, end: aware UTC, of the whole scan that the file holds (not of the box).
        channels: ascending in wavelength; one of two at the same wavelength where a file has both (see its reader).
        geometry: of the lines and columns kept; None where the file has none (`needs_geolocation`).
        line_offset_s: (line,) seconds from `start` to when each line was seen.
        bad_lines: lines in the box of which a channel has no valid pixel though it lies on the Earth's disk.
        simulated: does the file itself say that it is simulated?
        remarks: what was odd, in English, short.
    """

    format: str
    platform: str
    instrument: str
    resolution_m: float
    start: datetime
    end: datetime
    channels: tuple[Channel, ...]
    geometry: Geometry | None
    line_offset_s: npt.NDArray[np.float64]
    bad_lines: int = 0
    simulated: bool = False
    remarks: tuple[str, ...] = field(default=())

    def band(self, name: str) -> Channel | None:
        """The channel of a band (nearest to its middle where several are in it), None where there is none."""
        band = next(band for band in BANDS if band.name == name)
        middle = (band.low_um + band.high_um) / 2
        inside = [
            channel for channel in self.channels
            if channel.quantity == band.quantity and band.low_um <= channel.wavelength_um < band.high_um
        ]  # fmt: skip
        return min(inside, key=lambda channel: abs(channel.wavelength_um - middle), default=None)

    @property
    def mean_time(self) -> datetime:
        """When the middle of the box was seen."""
        if not self.line_offset_s.size:
            return self.start
        return self.start + timedelta(seconds=float(np.mean(self.line_offset_s)))


@dataclass(frozen=True)
class Geolocation:
    """A file of longitudes and latitudes that belongs to a pass in another file (FY-3 GEO1K, GEOQK, GEOHK)."""

    format: str
    platform: str
    instrument: str
    resolution_m: float
    start: datetime
    end: datetime
    shape: tuple[int, int]
    remarks: tuple[str, ...] = field(default=())


def source_name(platform: str, instrument: str, resolution_m: float) -> str:
    """How the ledger names a source of scenes: "FY-4B/AGRI-4000M"."""
    return f"{platform}/{instrument}-{resolution_m:04.0f}M"


def describe(native: Scene | Geolocation) -> Description:
    """What the file is, for `wx doctor` and the ledger; kind "scene" or "geolocation"."""
    source = source_name(native.platform, native.instrument, native.resolution_m)
    if isinstance(native, Geolocation):
        moments: tuple[str, ...] = ("longitude", "latitude")
        return Description("geolocation", source, native.end, 0, moments, native.remarks, began=native.start)
    moments = tuple(f"{channel.wavelength_um:g}um" for channel in native.channels)
    return Description("scene", source, native.end, 0, moments, native.remarks, began=native.start)

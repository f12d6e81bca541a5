"""Fields of the grid as PNG: reflectivity and MESH in the colours that forecasters know."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from wxcore.schema import NO_ECHO_DBZ

UNOBSERVED = (205, 205, 205, 255)
"""Grey: nobody looked. No echo is transparent."""

NOT_SEEN = (214, 188, 150, 255)
"""The same on pictures whose colours are grey: sand."""

Bands = tuple[tuple[float, tuple[int, int, int]], ...]
"""Lower bound and colour of each band, ascending."""

REFLECTIVITY_COLOURS: Bands = (
    (10, (0, 236, 236)), (15, (1, 160, 246)), (20, (0, 0, 246)), (25, (0, 239, 0)), (30, (0, 200, 0)),
    (35, (0, 144, 0)), (40, (255, 255, 0)), (45, (231, 192, 0)), (50, (255, 144, 0)), (55, (255, 0, 0)),
    (60, (214, 0, 0)), (65, (192, 0, 0)), (70, (255, 0, 240)), (75, (120, 0, 132)),
)  # fmt: skip
"""Lower bound [dBZ] and colour of each band, as the CMA and NWS mosaics show them."""

MESH_COLOURS: Bands = (
    (5, (190, 225, 255)), (10, (110, 180, 250)), (15, (60, 120, 220)), (20, (255, 230, 90)), (25, (255, 190, 50)),
    (30, (255, 130, 30)), (40, (230, 50, 30)), (50, (180, 0, 60)), (75, (120, 0, 140)),
)  # fmt: skip
"""Lower bound [mm] and colour of each band; 20 mm is where China's severe hail begins."""

WIND_COLOURS: Bands = (
    (5, (200, 235, 200)), (10, (130, 205, 130)), (13.9, (255, 235, 120)), (17.2, (255, 170, 50)),
    (20.8, (240, 80, 40)), (24.5, (190, 0, 60)), (28.5, (130, 0, 140)),
)  # fmt: skip
"""Lower bound [m s-1] and colour of each band; from 13.9 on the bounds of Beaufort 7 to 11 (GB/T 28591)."""

SHEAR_COLOURS: Bands = (
    (2, (215, 225, 245)), (3.5, (150, 180, 235)), (5, (255, 220, 100)), (7.5, (255, 140, 40)), (10, (220, 30, 40)),
    (15, (130, 0, 120)),
)  # fmt: skip
"""Lower bound [10^-3 s-1] and colour of each band: 5 is notable rotation, 10 strong (DOMAIN.md 2.3)."""


CLOUD_COLOURS: Bands = (
    (100, (255, 255, 255)), (195, (150, 0, 150)), (203, (225, 30, 40)), (213, (255, 150, 40)), (221, (255, 235, 80)),
    (229, (120, 215, 90)), (237, (70, 160, 240)), (245, (225, 225, 225)), (253, (195, 195, 195)),
    (261, (165, 165, 165)), (269, (135, 135, 135)), (277, (105, 105, 105)), (285, (75, 75, 75)), (293, (45, 45, 45)),
    (301, (15, 15, 15)),
)  # fmt: skip
"""Lower bound [K] and colour of each band: grey from the warm ground to -28 C, colours for the cold tops of storms."""

FLASH_COLOURS: Bands = (
    (0.05, (255, 245, 170)), (0.2, (255, 215, 80)), (0.5, (255, 160, 30)), (1, (240, 90, 20)), (2, (205, 20, 40)),
    (5, (140, 0, 90)), (10, (80, 0, 120)),
)  # fmt: skip
"""Lower bound [flashes km-2 h-1] and colour of each band [our choice]."""


DEFICIT_COLOURS: Bands = (
    (2, (222, 235, 247)), (5, (158, 202, 225)), (8, (66, 146, 198)), (12, (8, 81, 156)), (16, (84, 39, 143)),
    (20, (63, 0, 90)),
)  # fmt: skip
"""Lower bound [K] and colour of each band: a cold pool begins at 5 (DOMAIN.md 2.6)."""


def nothing_of(bands: Bands) -> tuple[int, int, int]:
    """The colour of what nobody saw on a picture of these bands."""
    grey = any(red == green == blue and red < UNOBSERVED[0] for _, (red, green, blue) in bands)
    return (NOT_SEEN if grey else UNOBSERVED)[:3]


def paint(values: npt.NDArray[np.floating], bands: Bands) -> bytes:
    """PNG of a (lat, lon) field with ascending latitude: NaN as `nothing_of`, below the first band transparent."""
    bounds = np.array([bound for bound, _ in bands])
    finite = np.where(np.isnan(values), NO_ECHO_DBZ, values)
    index = np.digitize(finite, bounds).astype(np.uint8)
    index[np.isnan(values)] = len(bands) + 1
    image = Image.fromarray(np.ascontiguousarray(index[::-1]), mode="P")
    colours = [(255, 255, 255), *(colour for _, colour in bands), nothing_of(bands)]
    image.putpalette([channel for colour in colours for channel in colour])
    out = io.BytesIO()
    image.save(out, format="PNG", transparency=0)
    return out.getvalue()

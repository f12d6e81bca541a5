"""What differs between the MERSI imagers: satellites, datasets, bands and calibration (FORMATS.md B, DOMAIN.md 7.5).

Wavelengths are nominal centres, for files that carry none themselves: of FY-3D, 3E and 3F from DOMAIN.md 7.5, of FY-3G
(middle of the spectral response) from the tables of satpy, as facts. Reflective bands of FY-3D and 3F beyond 0.65 um
are on no grid and their wavelengths are [M] for band 19 (1.03; satpy's MERSI-2 table doubts between 1.24 and 1.03).
"""

from dataclasses import dataclass

from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, REFLECTANCE


@dataclass(frozen=True)
class Plane:
    """Where one band lies.

    Attributes:
        number: the instrument's band; wavelength_um: nominal centre; quantity: as of `scene.Channel`.
        dataset: path in the file; index: plane of a 3-D dataset (band, line, column), None where it is 2-D.
        row: place among the coefficients of calibration: infrared bands, or rows of the reflective table.
    """

    number: int
    wavelength_um: float
    dataset: str
    index: int | None
    quantity: str
    row: int


@dataclass(frozen=True)
class Variant:
    """One kind of L1B file.

    Attributes:
        code, places_code: what names call it and its geolocation file; places: group of its longitudes there.
        rows_per_scan: lines that one turn of the mirror sees at once.
        correction: attributes A then B of (T - B) / A; one name: A and B in one list; none: no correction.
        reflective: dataset of the reflective calibration; reflective_unit: its result / this = 1 for "all".
    """

    platform: str
    instrument: str
    resolution_m: float
    code: str
    places_code: str
    places: str
    rows_per_scan: int
    planes: tuple[Plane, ...]
    correction: tuple[str, ...]
    reflective: str
    reflective_unit: float


DEPTH = {
    "Data/EV_1KM_RefSB": 15, "Data/EV_250_Aggr.1KM_RefSB": 4, "Data/EV_1KM_Emissive": 4,
    "Data/EV_250_Aggr.1KM_Emissive": 2, "Data/EV_Reflectance": 5, "Data/EV_Emissive": 3,
}  # fmt: skip
"""Planes of the 3-D datasets; every other one is 2-D."""

INFRARED_BANDS = 6
"""Of MERSI-2, MERSI-3 and MERSI-LL: so many coefficients A, so many B."""

LOW_LIGHT = "Calibration/Solar_Irradiance_LL"
"""Solar irradiance E0 of MERSI-LL's low-light band: reflectance = pi radiance / E0."""

_UM_6 = (3.80, 4.05, 7.20, 8.55, 10.8, 12.0)
_A_B = ("TBB_Trans_Coefficient_A", "TBB_Trans_Coefficient_B")


def _infrared(first: int, *, fine: bool) -> tuple[Plane, ...]:
    """Six bands from `first` on at 1 km, or the last two of them at 250 m."""
    planes = []
    for row, um in enumerate(_UM_6):
        number = first + row
        if fine:
            place: tuple[str, int | None] = (f"Data/EV_250_Emissive_b{number}", None)
        else:
            place = ("Data/EV_1KM_Emissive", row) if row < 4 else ("Data/EV_250_Aggr.1KM_Emissive", row - 4)
        planes.append(Plane(number, um, *place, BRIGHTNESS_TEMPERATURE, row))
    return tuple(planes[4:] if fine else planes)


def _reflective(*, fine: bool) -> tuple[Plane, ...]:
    """Bands 1-4, and at 1 km 5-7 and 19.

    Bands 8-18 are left out [our choice]: made for the colour of dark water, they saturate over clouds [M], and 12 and
    15 see the same wavelengths as 3 and 4.
    """
    four = [
        Plane(number, um, f"Data/EV_250_RefSB_b{number}", None, REFLECTANCE, number - 1) if fine
        else Plane(number, um, "Data/EV_250_Aggr.1KM_RefSB", number - 1, REFLECTANCE, number - 1)
        for number, um in ((1, 0.47), (2, 0.55), (3, 0.65), (4, 0.865))
    ]  # fmt: skip
    more = [
        Plane(number, um, "Data/EV_1KM_RefSB", number - 5, REFLECTANCE, number - 1)
        for number, um in ((5, 1.38), (6, 1.64), (7, 2.13), (19, 1.03))
    ]
    return tuple(four if fine else four + more)


def _mersi2(platform: str, instrument: str, *, fine: bool) -> Variant:
    return Variant(
        platform, instrument, 250 if fine else 1000, "0250M" if fine else "1000M", "GEOQK" if fine else "GEO1K",
        "" if fine else "Geolocation/", 40 if fine else 10,
        (*_reflective(fine=fine), *_infrared(20, fine=fine)), _A_B, "Calibration/VIS_Cal_Coeff", 100,
    )  # fmt: skip


def _low_light(*, fine: bool) -> Variant:
    night = () if fine else (Plane(1, 0.70, "Data/EV_1KM_LL", None, REFLECTANCE, 0),)
    return Variant(
        "FY-3E", "MERSI-LL", 250 if fine else 1000, "0250M" if fine else "1000M", "GEOQK" if fine else "GEO1K",
        "" if fine else "Geolocation/", 40 if fine else 10,
        (*night, *_infrared(2, fine=fine)), ("TBB_Trans_Coefficient",), LOW_LIGHT, 1,
    )  # fmt: skip


def _rain() -> Variant:
    visible = tuple(
        Plane(number, um, "Data/EV_Reflectance", number - 1, REFLECTANCE, number - 1)
        for number, um in enumerate((0.648, 0.862, 0.935, 1.377, 1.638), start=1)
    )
    infrared = tuple(
        Plane(6 + index, um, "Data/EV_Emissive", index, BRIGHTNESS_TEMPERATURE, index)
        for index, um in enumerate((3.809, 10.736, 12.019))
    )
    return Variant(
        "FY-3G", "MERSI-RM", 500, "0500M", "GEOHK", "Geolocation/", 10, (*visible, *infrared), (),
        "Calibration/RSB_Cal_Coeff", 1,
    )  # fmt: skip


VARIANTS: tuple[Variant, ...] = (
    _mersi2("FY-3D", "MERSI-2", fine=False), _mersi2("FY-3D", "MERSI-2", fine=True),
    _mersi2("FY-3F", "MERSI-3", fine=False), _mersi2("FY-3F", "MERSI-3", fine=True),
    _low_light(fine=False), _low_light(fine=True), _rain(),
)  # fmt: skip

DISABLED = {"FY-3H": "its L1 format is unverified"}
"""Satellites that are recognised and refused (DOMAIN.md 8.3)."""


def variant_of(platform: str, resolution_m: float) -> Variant | None:
    """The kind of L1B file of a satellite at a resolution; None where there is none."""
    return next((one for one in VARIANTS if (one.platform, one.resolution_m) == (platform, resolution_m)), None)

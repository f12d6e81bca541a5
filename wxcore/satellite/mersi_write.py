"""Synthetic FY-3 MERSI files in the structure of FORMATS.md B: L1B passes and their geolocation files.

Nothing here was compared with a real file: none is at hand. Group and dataset names are of FORMATS.md B; slopes of the
infrared bands and "Effect_Center_WaveLength" are as third-party code for real FY-3D files has them; A and B are [M].
"""

from io import BytesIO

import h5py
import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.satellite import planck
from wxcore.satellite.geometry import Swath
from wxcore.satellite.mersi_tables import DEPTH, LOW_LIGHT, Plane, Variant, variant_of
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, Channel, Scene

A = (1.00103, 1.00085, 1.00125, 1.00030, 1.00133, 1.00065)
"""Coefficients of (T - B) / A of the six infrared bands [M]: of their size, for synthetic files only."""
B = (-0.4759, -0.3139, -0.2662, -0.0513, -0.0734, 0.0875)
SAID_TOP, INFRARED_TOP, FILL = 4095, 25_000, 65_535
"""Ends of `valid_range`; the 10.8 and 12.0 um bands say the first though their counts go up to the second."""
REFLECTANCE_STEP = 1 / 4000
"""Reflectance of one count."""
IRRADIANCE = 1500.0
"""Solar irradiance of the low-light band."""
FINE_SLOPE, SLOPE = 2e-4, 0.01
"""Radiance of one count [mW m-2 sr-1 cm]: of bands near 4 um, and of the others."""
PLACE_FILL = -999.9
CHUNK_LINES = 100


def write(scene: Scene, *, own_places: bool = False) -> bytes:
    """A pass as an L1B file.

    Args:
        scene: of full file extent, geometry a Swath; bands that it lacks are filled with "bad".
        own_places: also Geolocation/Longitude and Latitude in it, as direct-readout files may have.

    Raises:
        ValueError: no MERSI scene, or none with a Swath.
    """
    variant, swath = _variant(scene), _swath(scene)
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        _head(file, scene)
        _coefficients(file, variant, scene)
        for path in dict.fromkeys(plane.dataset for plane in variant.planes):
            _dataset(file, path, [plane for plane in variant.planes if plane.dataset == path], scene)
        if own_places:
            _places(file, "Geolocation/", swath)
    return buffer.getvalue()


def write_geolocation(scene: Scene) -> bytes:
    """The geolocation file of a pass; arguments and errors as of `write`."""
    variant, swath = _variant(scene), _swath(scene)
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        _head(file, scene)
        _places(file, variant.places, swath)
    return buffer.getvalue()


def _variant(scene: Scene) -> Variant:
    variant = variant_of(scene.platform, scene.resolution_m)
    if variant is None:
        raise ValueError(f"no MERSI of {scene.platform} at {scene.resolution_m} m")
    return variant


def _swath(scene: Scene) -> Swath:
    if not isinstance(scene.geometry, Swath):
        raise ValueError("a MERSI file is written from a scene on a Swath")
    return scene.geometry


def _head(file: h5py.File, scene: Scene) -> None:
    code = {"MERSI-LL": "MERSI LL", "MERSI-RM": "MERSI RM"}.get(scene.instrument, "MERSI")
    texts = {"Satellite Name": scene.platform, "Sensor Identification Code": code}
    for which, time in (("Beginning", scene.start), ("Ending", scene.end)):
        texts[f"Observing {which} Date"] = f"{time:%Y-%m-%d}"
        texts[f"Observing {which} Time"] = f"{time:%H:%M:%S}.{time.microsecond // 1000:03d}"
    if scene.simulated:
        texts[schema.SIMULATED_ATTRIBUTE] = schema.SIMULATED_MARK
    for name, text in texts.items():
        file.attrs[name] = np.bytes_(text)


def _coefficients(file: h5py.File, variant: Variant, scene: Scene) -> None:
    """Wavelengths (a root attribute on FY-3D, in Calibration on 3E and 3F, at the data on 3G), A and B, reflective."""
    um = np.zeros(max(plane.number for plane in variant.planes), dtype="f4")
    for plane in variant.planes:
        um[plane.number - 1] = _wavelength(scene, plane)
    if scene.platform == "FY-3D":
        file.attrs["Effect_Center_WaveLength"] = um
    elif scene.platform != "FY-3G":
        file["Calibration/Effect_Center_WaveLength"] = um
    parts = (A + B,) if len(variant.correction) == 1 else (A, B)
    for name, values in zip(variant.correction, parts, strict=False):
        file.attrs[name] = np.array(values, dtype="f4")
    if variant.reflective == LOW_LIGHT:
        table = np.array([IRRADIANCE], dtype="f4")
    else:
        rows = 5 if scene.platform == "FY-3G" else 19
        table = np.tile(np.array([0, REFLECTANCE_STEP * variant.reflective_unit, 0], dtype="f4"), (rows, 1))
    file[variant.reflective] = table
    file[variant.reflective].attrs.update(Slope=np.ones(len(table), "f4"), Intercept=np.zeros(len(table), "f4"))


def _channel(scene: Scene, plane: Plane) -> Channel | None:
    return next((channel for channel in scene.channels if channel.number == plane.number), None)


def _wavelength(scene: Scene, plane: Plane) -> float:
    channel = _channel(scene, plane)
    return channel.wavelength_um if channel else plane.wavelength_um


def _dataset(file: h5py.File, path: str, planes: list[Plane], scene: Scene) -> None:
    """One dataset with its planes; planes that are no band of ours hold "bad"."""
    infrared, shape = planes[0].quantity == BRIGHTNESS_TEMPERATURE, _swath(scene).shape
    depth = DEPTH.get(path, 1)
    counts = np.full((depth, *shape), FILL, dtype="u2")
    slopes = np.ones(depth, dtype="f4")
    for plane in planes:
        at = plane.index or 0
        if infrared:
            slopes[at] = FINE_SLOPE if plane.wavelength_um < 5 else SLOPE
        elif path == "Data/EV_1KM_LL":
            slopes[at] = REFLECTANCE_STEP * IRRADIANCE / np.pi
        channel = _channel(scene, plane)
        if channel is not None:
            counts[at] = _counts(channel, plane, float(slopes[at]), corrected=scene.platform != "FY-3G")
    data = file.create_dataset(
        path, data=counts if path in DEPTH else counts[0], compression="gzip", compression_opts=1, shuffle=True,
        chunks=(*((1,) if path in DEPTH else ()), min(shape[0], CHUNK_LINES), shape[1]),
    )  # fmt: skip
    if scene.platform == "FY-3G":
        data.attrs["center_wavelength"] = np.array([_wavelength(scene, plane) for plane in planes], dtype="f4")
    top = INFRARED_TOP if path in {"Data/EV_1KM_Emissive", "Data/EV_Emissive"} else SAID_TOP
    data.attrs.update(
        Slope=slopes, Intercept=np.zeros(depth, "f4"), FillValue=np.uint16(FILL), valid_range=np.array([0, top], "u2"),
        units=np.bytes_("mW/ (m2 cm-1 sr)" if infrared else "NO"),
    )  # fmt: skip


def _counts(channel: Channel, plane: Plane, slope: float, *, corrected: bool) -> npt.NDArray[np.uint16]:
    values = channel.values.astype(np.float64)
    if plane.quantity == BRIGHTNESS_TEMPERATURE:
        a, b = (float(np.float32(part[plane.row])) for part in (A, B)) if corrected else (1.0, 0.0)
        counts = planck.radiance(a * values + b, float(np.float32(channel.wavelength_um))) / slope
        top = INFRARED_TOP
    else:
        counts, top = values / REFLECTANCE_STEP, SAID_TOP
    known = np.isfinite(counts)
    return np.where(known, np.clip(np.rint(np.where(known, counts, 0)), 0, top), FILL).astype("u2")


def _places(file: h5py.File, group: str, swath: Swath) -> None:
    for name, values, limit in (("Longitude", swath.lon, 180), ("Latitude", swath.lat, 90)):
        data = file.create_dataset(
            f"{group}{name}", data=np.where(np.isfinite(values), values, PLACE_FILL).astype("f4"), compression="gzip",
            compression_opts=1, chunks=(min(values.shape[0], CHUNK_LINES), values.shape[1]),
        )  # fmt: skip
        data.attrs.update(
            Slope=np.ones(1, "f4"), Intercept=np.zeros(1, "f4"), FillValue=np.float32(PLACE_FILL),
            units=np.bytes_("degree"), valid_range=np.array([-limit, limit], "f4"),
        )  # fmt: skip

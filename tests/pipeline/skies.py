"""A small region with satellites, and the files that they and lightning sources would send of it."""

import os
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from tests.faults.scene import REGION, SITES, SQUARE, START, write_region
from wxcore.lightning.adtd import write_adtd
from wxcore.lightning.events import CLOUD_TO_GROUND, FLASH, STROKE, TOTAL, Lightning
from wxcore.lightning.lmi_write import lmi_name, write_lmi
from wxcore.region import Region, load_region
from wxcore.satellite.agri import WAVELENGTHS_UM
from wxcore.satellite.agri_write import write_agri
from wxcore.satellite.geometry import Swath, fy4_disk
from wxcore.satellite.ghi import WAVELENGTHS_UM as WINDOW_UM
from wxcore.satellite.ghi_write import write_ghi
from wxcore.satellite.mersi_tables import variant_of
from wxcore.satellite.mersi_write import write, write_geolocation
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, Channel, Scene
from wxcore.times import BEIJING, to_datetime64

MIDDLE = (106.2, 29.2)
"""Of the tiny region [deg]."""
STORM = (106.15, 29.2)
"""Where the hailstorm of tests/faults/scene.py is at START [deg]."""
SUB_LONGITUDE = {"FY-4A": 86.5, "FY-4B": 105.0}
INFRARED = {"FY-4A": (9, 11, 12, 13, 14), "FY-4B": (9, 12, 13, 14, 15)}
"""Numbers of 6.2, 8.5, 10.8, 12 and 13.3 um."""
SHAPE = (44, 44)
SCAN = timedelta(seconds=770)
HEAD = "id,orbit,sub_longitude,instruments,enabled,valid_from,valid_to,source\n"
SATELLITES = (
    "FY-4B,GEO,105.0,AGRI,true,2020-01-01,,test",
    "FY-4A,GEO,86.5,AGRI LMI,true,2020-01-01,,test",
    "FY-3D,LEO,,MERSI-2,true,2020-01-01,,test",
)
WARM_K, COLD_K, PASS_K = 285.0, 205.0, 286.5


def sky_region(
    root: Path,
    satellites: Sequence[str] = SATELLITES,
    *,
    radars: bool = True,
    corner: tuple[float, float] | None = None,
    cells: tuple[int, int] | None = None,
) -> Region:
    """The tiny region with satellites; without radars, or elsewhere and of another size, on demand.

    Args:
        corner: west and south edge [deg]; cells: eastwards and northwards, of 0.01 degree.
    """
    folder = write_region(root, sites=SITES if radars else ()) / REGION
    (folder / "satellites.csv").write_text(HEAD + "\n".join(satellites) + "\n")
    if corner is not None and cells is not None:
        (west, south), (n_lon, n_lat) = corner, cells
        text = (folder / "region.toml").read_text()
        for key, old, new in (
            ("lon_west", 106.0, west), ("lat_south", 29.0, south), ("n_lon", 40, n_lon), ("n_lat", 40, n_lat),
        ):  # fmt: skip
            assert f"{key} = {old}\n" in text
            text = text.replace(f"{key} = {old}\n", f"{key} = {new}\n")
        (folder / "region.toml").write_text(text)
        east, north = west + 0.01 * n_lon, south + 0.01 * n_lat
        (folder / "outlines.geojson").write_text(SQUARE.format(w=west, s=south, e=east, n=north))
        (folder / "districts.csv").write_text(
            "adcode,name_zh,name_en,lat,lon,outline,valid_from,valid_to\n"
            f"500101,小区,Tiny,{(south + north) / 2},{(west + east) / 2},500101,2000-01-01,\n"
        )
    return load_region(REGION, root=root)


def put(folder: Path, name: str, data: bytes, published: datetime) -> Path:
    """A file that was published at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    (path := folder / name).write_bytes(data)
    os.utime(path, (published.timestamp(),) * 2)
    return path


def cloud(
    lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], when: datetime, *, still: bool = False
) -> npt.NDArray[np.float64]:
    """Brightness temperature of a round cloud at STORM that grows colder with time [K]."""
    km = 111.0 * np.hypot((lon - STORM[0]) * np.cos(np.deg2rad(STORM[1])), lat - STORM[1])
    minutes = 0.0 if still else (START - when) / timedelta(minutes=1)
    depth = (WARM_K - COLD_K) * np.exp(-((km / 18.0) ** 2)) * float(np.clip(1 - minutes / 90, 0.2, 1.0))
    return np.asarray(WARM_K - depth)


def agri_scene(end: datetime, platform: str = "FY-4B", *, sub_longitude: float | None = None) -> Scene:
    """Five infrared channels at 4 km around MIDDLE, the scan complete at `end`."""
    whole = fy4_disk(4000, SUB_LONGITUDE[platform] if sub_longitude is None else sub_longitude)
    line, column = whole.pixels(*map(np.array, MIDDLE))
    geometry = whole.window(round(float(line)) - SHAPE[0] // 2, round(float(column)) - SHAPE[1] // 2, *SHAPE)
    lines, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]].astype(np.float64)
    base = cloud(*geometry.places(lines, columns), end)
    channels = []
    for number, change in zip(INFRARED[platform], (-25.0, -1.0, 0.0, -1.0, -8.0), strict=True):
        values = np.where(base < WARM_K - 30, base + change / 10, base + change).astype(np.float32)
        channels.append(Channel(number, WAVELENGTHS_UM[platform][number], BRIGHTNESS_TEMPERATURE, values))
    return Scene(
        format="fy4-agri", platform=platform, instrument="AGRI", resolution_m=4000, start=end - SCAN, end=end,
        channels=tuple(channels), geometry=geometry,
        line_offset_s=(np.arange(SHAPE[0]) + 0.5) / SHAPE[0] * SCAN.total_seconds(), simulated=True,
    )  # fmt: skip


def agri_name(scene: Scene) -> str:
    longitude = round(SUB_LONGITUDE[scene.platform] * 10)
    return (
        f"{scene.platform.replace('-', '')}-_AGRI--_N_REGC_{longitude:04d}E_L1-_FDI-_MULT_NOM_"
        f"{scene.start:%Y%m%d%H%M%S}_{scene.end:%Y%m%d%H%M%S}_4000M_V0001.HDF"
    )


def agri(
    folder: Path, end: datetime, platform: str = "FY-4B", *, bad_lines: Sequence[int] = (),
    sub_longitude: float | None = None,
) -> Path:  # fmt: skip
    """An AGRI file complete at `end`; without any data in some lines, or seen from elsewhere, on demand."""
    scene = agri_scene(end, platform, sub_longitude=sub_longitude)
    path = put(folder, agri_name(scene), write_agri(scene), end)
    if bad_lines:
        with h5py.File(path, "r+") as file:
            for number in INFRARED[platform]:
                where = f"NOMChannel{number:02d}"
                file[where if where in file else f"Data/{where}"][list(bad_lines)] = 65535
        os.utime(path, (end.timestamp(),) * 2)
    return path


def ghi(folder: Path, end: datetime) -> Path:
    """A GHI file of its window channel at 2 km around MIDDLE, seen in a minute."""
    whole = fy4_disk(2000, SUB_LONGITUDE["FY-4B"])
    line, column = whole.pixels(*map(np.array, MIDDLE))
    geometry = whole.window(round(float(line)) - SHAPE[0], round(float(column)) - SHAPE[1], 2 * SHAPE[0], 2 * SHAPE[1])
    lines, columns = np.mgrid[0 : geometry.lines, 0 : geometry.columns].astype(np.float64)
    values = cloud(*geometry.places(lines, columns), end).astype(np.float32)
    number = max(WINDOW_UM)
    start = end - timedelta(minutes=1)
    scene = Scene(
        format="fy4-ghi", platform="FY-4B", instrument="GHI", resolution_m=2000, start=start, end=end,
        channels=(Channel(number, WINDOW_UM[number], BRIGHTNESS_TEMPERATURE, values),), geometry=geometry,
        line_offset_s=np.full(geometry.lines, 30.0), simulated=True,
    )  # fmt: skip
    name = f"FY4B-_GHI---_N_REGX_1050E_L1-_FDI-_MULT_NOM_{start:%Y%m%d%H%M%S}_{end:%Y%m%d%H%M%S}_2000M_V0001.HDF"
    return put(folder, name, write_ghi(scene), end)


def images(folder: Path, newest: datetime, platform: str = "FY-4B") -> list[Path]:
    """Three images a quarter of an hour apart."""
    return [agri(folder, newest - timedelta(minutes=back), platform) for back in (30, 15, 0)]


def flash_times(end: datetime, minutes: int, a_minute: int) -> npt.NDArray[np.datetime64]:
    seconds = (np.arange(minutes * a_minute) + 0.5) * 60 / a_minute
    return to_datetime64(end - timedelta(minutes=minutes)) + (seconds * 1e9).astype("timedelta64[ns]")


def lmi(
    folder: Path, end: datetime, *, minutes: int = 2, a_minute: int = 12, place: tuple[float, float] = STORM,
    simulated: bool = True,
) -> list[Path]:  # fmt: skip
    """Files of one minute each, some flashes in each at a place."""
    paths = []
    for back in range(minutes - 1, -1, -1):
        stop = end - timedelta(minutes=back)
        times = flash_times(stop, 1, a_minute)
        around = np.linspace(-0.01, 0.01, times.size)
        native = Lightning(
            "lmi", "FY-4A/LMI", TOTAL, FLASH, stop - timedelta(minutes=1), stop, times, place[0] + around,
            place[1] + around, np.full(times.size, 1.0), simulated=simulated,
        )  # fmt: skip
        run = stop.replace(minute=stop.minute // 10 * 10)
        run = run - timedelta(minutes=10) if stop == run else run
        paths.append(put(folder, lmi_name(native, run), write_lmi(native), stop))
    return paths


def adtd(
    folder: Path, last: datetime, *, minutes: int = 20, a_minute: int = 10, place: tuple[float, float] = STORM,
    name: str = "", simulated: bool = True,
) -> Path:  # fmt: skip
    """The network's file of the day as it was after its last stroke."""
    times = flash_times(last, minutes, a_minute)
    around = np.linspace(-0.02, 0.02, times.size)
    native = Lightning(
        "adtd", "ADTD", CLOUD_TO_GROUND, STROKE, last.replace(hour=0, minute=0), last, times, place[0] + around,
        place[1] + around, np.full(times.size, -20.0), simulated=simulated,
    )  # fmt: skip
    day = f"{last.astimezone(BEIJING):%Y_%m_%d}.txt"
    return put(folder, name or day, write_adtd(native), last)


def mersi_pass(folder: Path, end: datetime, *, kelvin: float = PASS_K) -> tuple[Path, Path]:
    """A granule of FY-3D at 1 km over MIDDLE, all of one temperature, and its geolocation file."""
    variant = variant_of("FY-3D", 1000)
    assert variant is not None
    line, column = np.mgrid[0:80, 0:80].astype(np.float64)
    swath = Swath(
        (MIDDLE[0] - 0.4 + 0.01 * column).astype("f4"), (MIDDLE[1] + 0.4 - 0.01 * line).astype("f4")
    )  # fmt: skip
    channels = tuple(
        Channel(plane.number, plane.wavelength_um, plane.quantity, np.full(swath.shape, kelvin, "f4"))
        for plane in sorted(variant.planes, key=lambda plane: plane.wavelength_um)
        if plane.quantity == BRIGHTNESS_TEMPERATURE
    )
    start = end - timedelta(minutes=5)
    scene = Scene("fy3-mersi", "FY-3D", variant.instrument, 1000, start, end, channels, swath, np.zeros(80),
                  simulated=True)  # fmt: skip
    head = f"FY3D_MERSI_GRAN_L1_{start:%Y%m%d_%H%M}_"
    return (
        put(folder, f"{head}{variant.code}_V0.HDF", write(scene), end),
        put(folder, f"{head}{variant.places_code}_V0.HDF", write_geolocation(scene), end),
    )


def redated(source: Path, folder: Path, start: datetime, *, warmer_k: float = 0.0) -> Path:
    """The real FY-4B crop with another date; its 10.8 um warmer on demand."""
    end = start + timedelta(seconds=720)
    name = f"{source.name.split('_20250226')[0]}_{start:%Y%m%d%H%M%S}_{end:%Y%m%d%H%M%S}_4000M_V0001.HDF"
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(shutil.copyfile(source, folder / name))
    with h5py.File(path, "r+") as file:
        for which, time in (("Beginning", start), ("Ending", end)):
            file.attrs[f"Observing {which} Date"] = f"{time:%Y-%m-%d}"
            file.attrs[f"Observing {which} Time"] = f"{time:%H:%M:%S}.000"
        table = file["Calibration/CALChannel13"]
        values = table[...]
        values[values > 0] += warmer_k
        table[...] = values
    os.utime(path, (end.timestamp(),) * 2)
    return path


def damage(path: Path) -> None:
    """Flip bytes all over a file that cannot be written to: no line of a text stays whole."""
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), 11):
        data[at] ^= 0xFF
    path.write_bytes(bytes(data))


NOW = START + timedelta(hours=2)
"""When everything has come."""

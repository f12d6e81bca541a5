"""Lightning of known content for the tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from wxcore.lightning.events import CLOUD_TO_GROUND, FLASH, STROKE, TOTAL, Lightning
from wxcore.schema import Box
from wxcore.times import to_datetime64

START = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
CHINA = (70.0, 15.0, 140.0, 55.0)
DEGREE_KM = 111.19492664455873


def lightning(
    seconds: npt.ArrayLike, lon: npt.ArrayLike, lat: npt.ArrayLike, strength: npt.ArrayLike | None = None, *,
    source: str = "FY-4A/LMI", level: str = FLASH, start: datetime = START, cover_s: float = 60.0,
    coverage: Box | None = CHINA, form: str = "test",
) -> Lightning:  # fmt: skip
    """Records `seconds` after `start`; the file covers `cover_s` from there."""
    late, x, y = np.broadcast_arrays(*(np.asarray(values, dtype=np.float64) for values in (seconds, lon, lat)))
    late, x, y = (np.atleast_1d(values) for values in (late, x, y))
    time = to_datetime64(start) + np.round(late * 1e9).astype("timedelta64[ns]")
    given = np.asarray(np.nan if strength is None else strength, dtype=np.float64)
    ka = np.broadcast_to(given, late.shape)
    order = np.argsort(time, kind="stable")
    sees = CLOUD_TO_GROUND if level == STROKE else TOTAL
    end = start + timedelta(seconds=cover_s)
    return Lightning(
        form, source, sees, level, start, end, time[order], x[order].copy(), y[order].copy(), ka[order].copy(), coverage
    )  # fmt: skip


def strokes(
    seconds: npt.ArrayLike, lon: npt.ArrayLike, lat: npt.ArrayLike, strength: npt.ArrayLike = -20.0, *,
    start: datetime = START, cover_s: float = 3600.0, source: str = "ADTD",
) -> Lightning:  # fmt: skip
    return lightning(
        seconds, lon, lat, strength, source=source, level=STROKE, start=start, cover_s=cover_s, coverage=None
    )  # fmt: skip


def change(data: bytes, path: Path, edit: "dict[str, object]") -> Path:
    """The netCDF-4 file `data` at `path` with datasets replaced: name -> values, or None to remove it."""
    path.write_bytes(data)
    with h5py.File(path, "r+") as file:
        for name, values in edit.items():
            attributes = dict(file[name].attrs) if name in file else {}
            if name in file:
                del file[name]
            if values is not None:
                file[name] = values
                for key, value in attributes.items():
                    file[name].attrs[key] = value
    return path

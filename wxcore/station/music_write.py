"""MUSIC's answers from reports: JSON and CSV, for tests and for simulated stations.

The table is one of minutes: its times are whole minutes. Gusts keep their clock, verdicts their Q_ columns.
"""

import json
from collections.abc import Mapping

import numpy as np

from wxcore.schema import QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT, SIMULATED_ATTRIBUTE, SIMULATED_MARK
from wxcore.station.music import CALM_CODE, GUST_CLOCK, MEAN_WINDS, MINUTE_RAIN, PLAIN
from wxcore.station.reports import Floats, Reports

COLUMN_OF: Mapping[str, str] = dict(PLAIN) | {
    "wind_speed": MEAN_WINDS[0][0],
    "wind_from_direction": MEAN_WINDS[0][1],
    "precipitation_1min": MINUTE_RAIN,
}
_SPEED_OF = {
    "wind_from_direction": "wind_speed",
    "wind_from_direction_10min": "wind_speed_10min",
    "wind_gust_from_direction": "wind_speed_of_gust",
}
_CODES = {QC_GOOD: "0", QC_SUSPECT: "1", QC_BAD: "2", QC_MISSING: "7"}
MISSING = "999999"
DATA_CODE = "SURF_CHN_MUL_MIN"


def write_json(native: Reports) -> bytes:
    """An answer of SURF_CHN_MUL_MIN; values as texts, UTF-8."""
    columns = _columns(native)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    answer: dict[str, object] = {SIMULATED_ATTRIBUTE: SIMULATED_MARK} if native.simulated else {}
    answer |= {
        "returnCode": "0", "returnMessage": "Query Succeed", "rowCount": str(len(rows)),
        "requestParams": f"datacode={DATA_CODE}", "DS": rows,
    }  # fmt: skip
    return json.dumps(answer, ensure_ascii=False).encode()


def write_csv(native: Reports, *, delimiter: str = ",") -> bytes:
    """A table of minutes with a header row, UTF-8."""
    columns = _columns(native)
    lines = [f"# {SIMULATED_ATTRIBUTE}={SIMULATED_MARK}"] if native.simulated else []
    lines += [delimiter.join(row) for row in (tuple(columns), *zip(*columns.values(), strict=True))]
    return ("\n".join(lines) + "\n").encode()


def _columns(native: Reports) -> dict[str, list[str]]:
    clocks = [str(when)[:16] for when in native.time.astype("datetime64[m]")]
    columns: dict[str, list[str]] = {
        "Station_Id_C": [str(one) for one in native.station],
        "Lat": _written(native.lat.astype(np.float64)),
        "Lon": _written(native.lon.astype(np.float64)),
        "Alti": _written(native.elevation),
    }
    for name, begin, end in (("Year", 0, 4), ("Mon", 5, 7), ("Day", 8, 10), ("Hour", 11, 13), ("Min", 14, 16)):
        columns[name] = [str(int(clock[begin:end])) for clock in clocks]
    for element, values in native.values.items():
        texts = _written(values)
        if element in _SPEED_OF and _SPEED_OF[element] in native.values:
            calm = np.isnan(values) & (native.values[_SPEED_OF[element]] == 0)
            texts = [f"{CALM_CODE:.0f}" if still else text for still, text in zip(calm, texts, strict=True)]
        columns[COLUMN_OF[element]] = texts
        if element in native.provider:
            columns[f"Q_{COLUMN_OF[element]}"] = [_CODES[int(flag)] for flag in native.provider[element]]
    if not np.isnat(native.gust_time).all():
        columns[GUST_CLOCK] = [
            MISSING if np.isnat(when) else str(when)[11:16].replace(":", "").lstrip("0") or "0"
            for when in native.gust_time
        ]
    return columns


def _written(values: Floats | np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[str]:
    """Shortest decimals that read back as the same number."""
    return [MISSING if np.isnan(value) else np.format_float_positional(value, trim="-") for value in values]

"""Ground stations and the environment in the report: who gusted, whether to believe it, and where levels come from."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from wxcore.hazard.ground import WITNESSES_NEEDED
from wxcore.pipeline.canvas import Canvas
from wxcore.pipeline.picture import WIND_COLOURS
from wxcore.pipeline.result import CycleResult, strongest
from wxcore.schema import QC_SUSPECT
from wxcore.times import beijing

LEAST_M_S = 10.8
"""Weaker gusts are not marked on the map [m s-1]: Beaufort 6 begins here (GB/T 28591)."""

JUDGED_M_S = 13.9
"""Weaker gusts are not judged [m s-1]: Beaufort 7 (station.qc)."""

GALE_M_S = 17.2
"""Gusts that the map labels [m s-1]: Beaufort 8 (DOMAIN.md 5.3)."""

SOURCES_ZH = {"manual": "人工设定", "climatology": "气候值", "nwp": "数值模式", "sounding": "探空"}
QUALITIES_ZH = {"good": "良好", "doubtful": "存疑", "climatology": "气候值"}


def stations(cycle: CycleResult, canvas: Canvas) -> dict[str, Any]:
    """What the template shows of ground stations: sources, counts, strongest gusts, and marks for the map."""
    table = cycle.stations
    return {
        "sources": [item for item in cycle.station_sources if "source" in item],
        "counts": next((item for item in cycle.station_sources if "stations" in item), None),
        "rows": [_row(row) for row in strongest(table).to_dict("records")],
        "marks": [] if table.empty else [
            _mark(row, canvas) for row in table[table["gust_m_s"] >= LEAST_M_S].to_dict("records")
        ],
    }  # fmt: skip


def levels(cycle: CycleResult) -> dict[str, Any]:
    """The heights with their source, its age and quality, and the environment's figures, in words."""
    told = cycle.levels
    age = told.get("age_h")
    indices = told.get("indices") or {}
    return {
        **told,
        "source_zh": SOURCES_ZH.get(told["source"], told["source"]),
        "quality_zh": QUALITIES_ZH.get(told["quality"], told["quality"]),
        "age": "" if age is None else f"{age:.0f} h",
        "figures": [f"{name} {value:g}" for name, value in indices.items() if value is not None],
    }


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    zh, en = believed(row)
    return {
        "id": row["station_id"],
        "place": f"{row['lat']:.2f} {row['lon']:.2f}",
        "elevation": _figure(row["elevation_m"], 0),
        "gust": f"{row['gust_m_s']:.1f}",
        "time": _clock(row["gust_time"]),
        "from": _figure(row["gust_from_deg"], 0),
        "gale": row["gust_m_s"] >= GALE_M_S,
        "zh": zh,
        "en": en,
        "numbers": [
            _figure(row[name], 1)
            for name in ("pressure_jump_10min_hpa", "pressure_change_1h_hpa", "temperature_drop_k", "theta_e_deficit_k",
                         "rain_1h_mm")
        ],
        "flags": ", ".join(row["flags"]),
    }  # fmt: skip


def believed(row: Mapping[Any, Any]) -> tuple[str, str]:
    """Is a gust to be believed? In Chinese and English."""
    if row["gust_flag"] >= QC_SUSPECT:
        return "可疑：无其他资料佐证", "suspect: nothing else speaks for it"
    witnesses = row["gust_witnesses"]
    if witnesses >= WITNESSES_NEEDED:
        return f"有{witnesses:.0f}项佐证", f"{witnesses:.0f} witnesses"
    if witnesses == 1:
        return "仅一项佐证，请核实", "one witness: check it"
    return ("", "") if row["gust_m_s"] < JUDGED_M_S else ("无资料可佐证", "nothing there to ask")


def _mark(row: Mapping[Any, Any], canvas: Canvas) -> dict[str, Any]:
    colour = next((rgb for bound, rgb in reversed(WIND_COLOURS) if row["gust_m_s"] >= bound), (255, 255, 255))
    doubted = row["gust_flag"] >= QC_SUSPECT
    return {
        "x": canvas.x(row["lon"]),
        "y": canvas.y(row["lat"]),
        "rgb": ",".join(map(str, colour)),
        "doubted": doubted,
        "label": f"{row['gust_m_s']:.0f}{'?' if doubted else ''}" if row["gust_m_s"] >= GALE_M_S else "",
        "title": f"{row['station_id']} {row['gust_m_s']:.1f} m/s {_clock(row['gust_time'])}",
    }


def _clock(time: Any) -> str:
    """Beijing time of day, "–" where it is not known."""
    if pd.isna(time):
        return "–"
    return f"{beijing(datetime.fromtimestamp(time.timestamp(), tz=UTC)):%H:%M}"


def _figure(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"

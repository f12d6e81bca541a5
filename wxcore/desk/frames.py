"""What the map shows of a cycle, out of archive and ledger: fields, storms, probabilities by district, warnings."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from shapely.geometry import Polygon

from wxcore.archive.layout import CUBES, PROBABILITIES_TEXT, PROVENANCE_TEXT, STORMS_TEXT, VARIABLES, slot_of
from wxcore.archive.read import open_session, read_texts
from wxcore.archive.series import array_of, root_group, unpack
from wxcore.archive.tables import decode_table
from wxcore.desk.once import Once
from wxcore.errors import ArchiveError
from wxcore.landing.ledger import CycleRow, Ledger, cycles_between, find_cycle, list_messages
from wxcore.nowcast.advect import HORIZON_MIN
from wxcore.pipeline.analyse import REAL
from wxcore.pipeline.canvas import WIDTH, Canvas
from wxcore.pipeline.catchup import WARNING_MEMORY
from wxcore.pipeline.home import Home
from wxcore.pipeline.issue import Office, drafts_open
from wxcore.pipeline.picture import MESH_COLOURS, REFLECTIVITY_COLOURS, Bands, nothing_of, paint
from wxcore.pipeline.report_animation import OUTLINE_TOLERANCE_DEG, leads
from wxcore.pipeline.result import first_hour, plain, speed_m_s
from wxcore.region import Region
from wxcore.schema import HAZARDS
from wxcore.times import CYCLE, beijing, iso, require_utc
from wxcore.warning.area import find_touches

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
MAX_STORMS = 60
"""Storms on the map, strongest first: more hide it, and nobody can tell them apart."""

MIN_OVERLAP_KM2 = 1.0
"""A district is told a probability where at least so much of it [km2] lies in a storm's area at risk: a cell [ours]."""

RISK_TOLERANCE_DEG = 0.005
"""Areas at risk are drawn to half a cell."""

KEPT_FRAMES, KEPT_LAYERS, KEPT_TABLES = 64, 96, 64
"""Cycles and pictures in memory: two hours of both layers, and room for who looks back further."""


@dataclass(frozen=True)
class Layer:
    """A field that the map can show: variable of the cube, its titles, and the colours of its bands."""

    variable: str
    title_zh: str
    title_en: str
    bands: Bands


LAYERS: Mapping[str, Layer] = {
    "composite": Layer(
        "composite_reflectivity", "组合反射率（dBZ）", "Composite reflectivity, dBZ", REFLECTIVITY_COLOURS
    ),
    "mesh": Layer("mesh", "最大预估冰雹尺寸 MESH（毫米）", "MESH, mm", MESH_COLOURS),
}
"""By the name in the address; no other name is served."""

STORM_FIGURES = ("max_dbz", "mesh_mm", "vil_kg_m2", "echo_top_18_km", "flash_rate_min", "age_min", "area_km2")

_frames: Once[dict[str, Any]] = Once(KEPT_FRAMES)
_layers: Once[bytes] = Once(KEPT_LAYERS)
_tables: Once[tuple[pd.DataFrame, pd.DataFrame]] = Once(KEPT_TABLES)


def recent_cycles(ledger: Ledger, region: Region, *, now: datetime, hours: float) -> list[CycleRow]:
    """The cycles of the last hours up to the newest that was published, ascending; none where there is none."""
    now = require_utc(now)
    rows = cycles_between(ledger, region.id, now - DAY, now) or cycles_between(ledger, region.id)
    if not rows:
        return []
    return [row for row in rows if row.time >= rows[-1].time - timedelta(hours=hours)]


def list_frames(ledger: Ledger, region: Region, *, now: datetime, hours: float) -> dict[str, Any]:
    """JSON of /api/frames: times, oldest first, what each lacked, and the layers with their legends."""
    rows = recent_cycles(ledger, region, now=now, hours=hours)
    return {
        "region": region.id,
        "now": iso(now),
        "frames": [{**_clock(row.time), "version": row.fingerprint[:12], "degraded": row.degraded} for row in rows],
        "layers": [_legend(name, layer) for name, layer in LAYERS.items()],
    }


def _clock(when: datetime) -> dict[str, str]:
    return {"time": iso(when), "bjt": f"{beijing(when):%m-%d %H:%M}", "utc": f"{require_utc(when):%H:%M}"}


def _legend(name: str, layer: Layer) -> dict[str, Any]:
    return {
        "name": name,
        "zh": layer.title_zh,
        "en": layer.title_en,
        "bands": [{"from": bound, "rgb": _rgb(colour)} for bound, colour in layer.bands],
        "unobserved": _rgb(nothing_of(layer.bands)),
    }


def _rgb(colour: Sequence[int]) -> str:
    return f"rgb({','.join(str(channel) for channel in colour)})"


def read_plane(home: Home, region: Region, when: datetime, variable: str) -> npt.NDArray[np.float32]:
    """One variable of one cycle, (lat, lon), NaN where nobody looked: nothing else is read from the archive.

    Raises:
        ArchiveError: no such cycle or variable in the archive, or the day's cubes have expired.
    """
    slot = slot_of(when)
    group = root_group(open_session(home.archive, region.id, None))
    path = f"{CUBES}/{slot.day}/{variable}"
    var = next((item for item in VARIABLES if item.name == variable), None)
    if var is None or path not in group:
        raise ArchiveError(
            f"no {variable} of {iso(when)} in the archive of {region.id}: its day was never analysed or has expired",
            f"{region.id} 归档中没有 {iso(when)} 的 {variable}：当日未分析，或已过期",
        )
    raw = np.asarray(array_of(group, path)[slot.index : slot.index + 1])[0]
    return np.asarray(unpack(raw, var), dtype=np.float32)


def layer_png(home: Home, region: Region, cycle: CycleRow, name: str) -> bytes:
    """PNG of a layer of a cycle, a pixel a cell, north up.

    Raises:
        KeyError: no such layer. ArchiveError: as `read_plane`.
    """
    layer = LAYERS[name]

    def make() -> bytes:
        return paint(read_plane(home, region, cycle.time, layer.variable), layer.bands)

    return _layers.get((home, region.id, cycle.time, cycle.fingerprint, name), make)


def tables_of(home: Home, region: Region, cycle: CycleRow) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Storms and probabilities of a cycle (schema STORMS, PROBABILITIES).

    Raises:
        ArchiveError: the cycle's tables are not in the archive.
    """

    def make() -> tuple[pd.DataFrame, pd.DataFrame]:
        texts = [
            read_texts(home.archive, region.id, [cycle.time], name)[0] for name in (STORMS_TEXT, PROBABILITIES_TEXT)
        ]
        storms, chances = (decode_table(text) if text is not None else None for text in texts)
        if storms is None or chances is None:
            raise ArchiveError(
                f"no tables of {iso(cycle.time)} in the archive of {region.id}: they have expired",
                f"{region.id} 归档中没有 {iso(cycle.time)} 的风暴表：已过期",
            )
        if "inputs_missing" not in chances:
            chances = chances.assign(inputs_missing=pd.Series([()] * len(chances), dtype=object))
        return storms, chances

    return _tables.get((home, region.id, cycle.time, cycle.fingerprint), make)


def frame(home: Home, region: Region, cycle: CycleRow) -> dict[str, Any]:
    """JSON of a cycle: storms, probabilities by district, and the drafts that the machine made of it then.

    Raises:
        ArchiveError: the cycle's tables are not in the archive.
    """
    return _frames.get((home, region.id, cycle.time, cycle.fingerprint), lambda: _frame(home, region, cycle))


def _frame(home: Home, region: Region, cycle: CycleRow) -> dict[str, Any]:
    storms, chances = tables_of(home, region, cycle)
    storms = storms.sort_values("max_dbz", ascending=False, kind="stable")
    canvas = Canvas.of(region.grid)
    text = read_texts(home.archive, region.id, [cycle.time], PROVENANCE_TEXT)[0]
    provenance = json.loads(text) if text else {}
    touches, areas = find_touches(
        storms.head(MAX_STORMS), region, cycle.time, horizon_min=HORIZON_MIN, min_overlap_km2=MIN_OVERLAP_KM2
    )
    hour = first_hour(chances)
    drafts = [outline_of(item, canvas, kind="past") for item in provenance.get("warnings", [])]
    return {
        **_clock(cycle.time),
        "version": cycle.fingerprint[:12],
        "truth": provenance.get("truth", ""),
        "simulated": provenance.get("truth", REAL) != REAL,
        "degraded": cycle.degraded,
        "missing": len(cycle.missing),
        "storm_count": len(storms),
        "storms": _storms(storms.head(MAX_STORMS), chances, areas, canvas),
        "districts": district_chances(touches, hour),
        "drafts": drafts,
    }


def _storms(
    storms: pd.DataFrame, chances: pd.DataFrame, areas: Mapping[str, Any], canvas: Canvas
) -> list[dict[str, Any]]:
    windows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in chances.to_dict("records"):
        window = {"from": int(row["lead_start_min"]), "to": int(row["lead_end_min"]), "p": plain(row["p"])}
        windows.setdefault((row["storm_id"], row["hazard"]), []).append(window)
    ahead = leads(storms, canvas)
    return [
        {
            "id": row["storm_id"],
            "n": number,
            "lat": round(row["lat"], 4),
            "lon": round(row["lon"], 4),
            "x": canvas.x(row["lon"]),
            "y": canvas.y(row["lat"]),
            "path": canvas.path(row["polygon"]),
            **{name: plain(row[name]) for name in STORM_FIGURES},
            "speed_km_h": plain(3.6 * speed_m_s(row)),
            "towards_deg": plain(math.degrees(math.atan2(row["u_m_s"], row["v_m_s"])) % 360),
            "chances": {hazard: windows.get((row["storm_id"], hazard), []) for hazard in HAZARDS},
            "leads": ahead.get(row["storm_id"], []),
            "risk": canvas.path(areas[row["storm_id"]], tolerance_deg=RISK_TOLERANCE_DEG)
            if row["storm_id"] in areas
            else "",
        }
        for number, row in enumerate(storms.to_dict("records"), start=1)
    ]


def district_chances(
    touches: Iterable[Any], hour: Mapping[tuple[str, str], Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    """Probability in the next hour by district and hazard: the largest of p(storm) x p(it comes there) over storms.

    Args:
        touches: wxcore.warning.area.Touch.
        hour: rows of the 0 to 60 min window by (storm_id, hazard), as `first_hour` gives them.

    Returns:
        adcode -> hazard -> p, rounded to 0.01; a hazard that was assessed of no storm there is left out: not 0.
    """
    found: dict[str, dict[str, float]] = {}
    for touch in touches:
        for hazard in HAZARDS:
            row = hour.get((touch.storm_id, hazard))
            if touch.adcode and row is not None and math.isfinite(row["p"]):
                district = found.setdefault(touch.adcode, {})
                district[hazard] = max(district.get(hazard, 0.0), round(float(row["p"]) * touch.p_hit, 2))
    return found


def outline_of(record: Mapping[str, Any], canvas: Canvas, *, kind: str) -> dict[str, Any]:
    """A warning's record as the map draws it.

    Args:
        kind: "issued", "draft" (somebody can act on it now), "past" (drafted by the machine at the frame's time).

    Returns:
        among others `spots`: of each polygon, largest first, the places for its word: top, bottom, centre.
    """
    shapes = [Polygon(ring) for ring in record.get("polygons", []) if len(ring) >= 4]
    shapes.sort(key=lambda shape: -shape.area)
    return {
        "id": record["id"],
        "kind": kind,
        "msg_type": record.get("msg_type", ""),
        "hazard": record["hazard"],
        "level": record["level"],
        "status": record.get("status", ""),
        "event_zh": record.get("event_zh", ""),
        "event_en": record.get("event_en", ""),
        "headline_zh": record.get("headline_zh", ""),
        "headline_en": record.get("headline_en", ""),
        "expires": record["expires"],
        "path": "".join(canvas.path(shape) for shape in shapes),
        "spots": [_spots(shape, canvas) for shape in shapes],
    }


def _spots(shape: Polygon, canvas: Canvas) -> list[tuple[float, float]]:
    around = sorted(shape.exterior.coords, key=lambda point: -point[1])
    middle = shape.representative_point()
    return [(canvas.x(lon), canvas.y(lat)) for lon, lat in (around[0], around[-1], (middle.x, middle.y))]


def make_ready(home: Home, region: Region, ledger: Ledger, *, now: datetime) -> None:
    """Have the newest cycle in memory before the first viewer asks for it.

    Raises:
        TimeError: a naive time. ArchiveError: it is not in the archive.
    """
    for cycle in recent_cycles(ledger, region, now=now, hours=0.0):
        frame(home, region, cycle)
        for name in LAYERS:
            layer_png(home, region, cycle, name)


def district_shapes(region: Region, when: datetime) -> dict[str, Any]:
    """JSON of /api/districts: size of the map, and outline, centre and names of each district in force then."""
    canvas = Canvas.of(region.grid)
    return {
        "width": WIDTH,
        "height": round(canvas.height, 1),
        "districts": [
            {
                "adcode": district.adcode,
                "zh": district.name_zh,
                "en": district.name_en,
                "x": canvas.x(district.lon),
                "y": canvas.y(district.lat),
                "path": canvas.path(district.polygon, tolerance_deg=OUTLINE_TOLERANCE_DEG),
            }
            for district in region.districts_at(when)
        ],
        "radars": [
            {"id": site.id, "zh": site.name_zh, "en": site.name_en, "x": canvas.x(site.lon), "y": canvas.y(site.lat)}
            for site in region.radars_at(when)
            if region.grid.contains(site.lon, site.lat)
        ],
    }


def find_frame(ledger: Ledger, region: Region, when: datetime) -> CycleRow | None:
    """The newest version of the cycle at a time; None where there is none."""
    return find_cycle(ledger, region.id, require_utc(when))


def issued_at(ledger: Ledger, region: Region, when: datetime) -> list[dict[str, Any]]:
    """The messages in force at a moment, as the map draws them: issued by then, not ended, superseded or cancelled."""
    when = require_utc(when)
    canvas = Canvas.of(region.grid)
    return [
        {**outline_of(json.loads(row.json), canvas, kind="issued"), "id": row.identifier, "status": row.status}
        for row in list_messages(ledger, region.id, since=when - WARNING_MEMORY, until=when + SECOND)
        if row.msg_type != "Cancel" and row.sent <= when < row.expires and (row.ended_at is None or row.ended_at > when)
    ]


def drafts_now(office: Office, now: datetime) -> list[dict[str, Any]]:
    """The drafts that somebody can act on at this moment, people's and the machine's, as the map draws them.

    Raises:
        TimeError: a naive time.
    """
    canvas = Canvas.of(office.region.grid)
    return [outline_of(json.loads(row.json), canvas, kind="draft") for row in drafts_open(office, now)]


def shown_until(when: datetime, newest: datetime, now: datetime) -> datetime:
    """The moment whose issued warnings stand on the frame of `when`: its end; of the newest frame the present."""
    when, newest, now = require_utc(when), require_utc(newest), require_utc(now)
    return now if when >= newest else min(when + CYCLE, now)

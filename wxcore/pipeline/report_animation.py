"""Maps of the report, and the animation of its cycles: a player that shows what the page holds already.

Each picture and each outline stands in the page once; maps and player refer to it by its id.
"""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from wxcore.nowcast.advect import forecast_positions
from wxcore.pipeline.analyse import REAL
from wxcore.pipeline.canvas import Canvas
from wxcore.pipeline.picture import CLOUD_COLOURS, REFLECTIVITY_COLOURS, nothing_of
from wxcore.pipeline.result import CycleResult, Picture
from wxcore.region import Region
from wxcore.times import beijing, require_utc

LEADS_MIN = (30, 60)
"""Leads whose forecast position is drawn, with a circle of one standard error."""

MAX_FORECASTS = 12
"""Storms whose forecast is drawn, strongest first: more circles hide the map."""

OUTLINE_TOLERANCE_DEG = 0.005
"""District outlines are drawn to half a cell: more would only make the page heavy."""

LEAST_FRAMES = 2
"""One cycle is no animation."""

MOST_NAMED = 60
"""Districts whose names are on the map: the names of more would hide it."""

Tracks = dict[tuple[str, datetime], str]
"""SVG path of a storm up to a cycle."""


def districts(region: Region, cycles: Sequence[CycleResult], canvas: Canvas) -> list[dict[str, Any]]:
    """Outline and names of each district at the last cycle; nothing without cycles."""
    standing = region.districts_at(cycles[-1].time) if cycles else ()
    return [
        {
            "adcode": district.adcode,
            "name_zh": district.name_zh,
            "name_en": district.name_en,
            "label": district.name_zh if len(standing) <= MOST_NAMED else "",
            "x": canvas.x(district.lon),
            "y": canvas.y(district.lat),
            "path": canvas.path(district.polygon, tolerance_deg=OUTLINE_TOLERANCE_DEG),
        }
        for district in standing
    ]


def tracks(cycles: Sequence[CycleResult], canvas: Canvas) -> Tracks:
    """Path of each storm through the cycles of this run up to each time, where it has at least two places."""
    places: dict[str, list[tuple[float, float]]] = {}
    paths: Tracks = {}
    for cycle in cycles:
        for row in cycle.storms.to_dict("records"):
            trail = places.setdefault(row["storm_id"], [])
            trail.append((row["lon"], row["lat"]))
            if len(trail) > 1:
                paths[row["storm_id"], cycle.time] = canvas.line(trail)
    return paths


def leads(storms: pd.DataFrame, canvas: Canvas) -> dict[str, list[dict[str, Any]]]:
    """Where the first MAX_FORECASTS storms of a table will be after LEADS_MIN, by storm, with one standard error."""
    found: dict[str, list[dict[str, Any]]] = {}
    for place in forecast_positions(storms.head(MAX_FORECASTS), LEADS_MIN).to_dict("records"):
        spot = {"min": round(place["lead_min"]), "x": canvas.x(place["lon"]), "y": canvas.y(place["lat"])}
        found.setdefault(place["storm_id"], []).append({**spot, "r": canvas.length(place["sigma_km"])})
    return found


def picture(item: Picture) -> dict[str, Any]:
    """A picture with its bytes, titles and legend."""
    return {**_look(item), "png": base64.b64encode(item.png).decode()}


def _look(item: Picture) -> dict[str, Any]:
    legend = [
        {"from": f"{bound:g}", "rgb": ",".join(map(str, rgb)), "ink": "#000" if sum(rgb) > 330 else "#fff"}
        for bound, rgb in item.bands
    ]
    return {
        "dark": item.bands == CLOUD_COLOURS,
        "title_zh": item.title_zh,
        "title_en": item.title_en,
        "unobserved": ",".join(map(str, nothing_of(item.bands))),
        "legend": legend,
    }


def picture_id(cycle: int, number: int) -> str:
    """Id in the page of a picture: the number of its cycle, and its own in that."""
    return f"pic-{cycle}-{number}"


def animation(cycles: Sequence[CycleResult]) -> dict[str, Any] | None:
    """The player: one layer a kind of picture, one frame a cycle; None where nothing would move.

    Args:
        cycles: as the page shows them, oldest first.
    """
    kinds: dict[str, Picture] = {}
    for cycle in cycles:
        for item in cycle.pictures:
            kinds.setdefault(_kind(cycle, item), item)
    if len(cycles) < LEAST_FRAMES or not kinds:
        return None
    names = list(kinds)
    first = next((name for name in names if kinds[name].bands == REFLECTIVITY_COLOURS), names[0])
    names.sort(key=lambda name: name != first)
    return {
        "layers": [_look(kinds[name]) for name in names],
        "frames": [_frame(number, cycle, names) for number, cycle in enumerate(cycles)],
    }


def _kind(cycle: CycleResult, item: Picture) -> str:
    """What a picture shows, whether simulated or not."""
    return item.title_en.removeprefix(f"{cycle.truth} ")


def _frame(number: int, cycle: CycleResult, names: Sequence[str]) -> dict[str, Any]:
    ids = {_kind(cycle, item): picture_id(number, place) for place, item in enumerate(cycle.pictures)}
    return {
        "number": number,
        "bjt": f"{beijing(cycle.time):%H:%M}",
        "day": f"{beijing(cycle.time):%Y-%m-%d}",
        "utc": f"{require_utc(cycle.time):%H:%M}",
        "simulated": cycle.truth != REAL,
        "storms": len(cycle.storms),
        "pictures": [ids.get(name) for name in names],
        "drafts": [{"level": item.level, "zh": item.headline_zh, "en": item.headline_en} for item in cycle.active],
    }

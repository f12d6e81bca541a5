"""The report: one self-contained page that opens offline, and the drafts as CAP and GeoJSON beside it."""

import hashlib
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

import wxcore
from wxcore.errors import WxcoreError
from wxcore.hazard.features.catalogue import SOURCES_EN, SOURCES_ZH
from wxcore.hazard.sky import ZERO_C_K
from wxcore.landing.ledger import (
    DRAFT,
    WITHDRAWN,
    Ledger,
    Product,
    WarningRow,
    cycles_between,
    record_products,
    warnings_before,
)
from wxcore.pipeline.analyse import ONLY_SKY, REAL
from wxcore.pipeline.canvas import WIDTH, Canvas
from wxcore.pipeline.catchup import WARNING_MEMORY
from wxcore.pipeline.home import Home
from wxcore.pipeline.report_animation import Tracks, animation, districts, leads, picture, tracks
from wxcore.pipeline.report_ground import levels, stations
from wxcore.pipeline.result import CycleResult, RunResult, first_hour, speed_m_s
from wxcore.pipeline.stages import stage
from wxcore.region import Region
from wxcore.schema import HAZARDS
from wxcore.times import CYCLE, beijing, parse_time, require_utc
from wxcore.warning.cap import cap_xml
from wxcore.warning.geojson import geojson_bytes
from wxcore.warning.model import Warning, from_json

MAX_CYCLES = 12
"""Cycles shown in one report; of a longer run the newest."""

MAX_STORMS = 40
"""Storms drawn and listed a cycle, strongest first."""

MAX_CLOUDS = 20
"""Cloud cells drawn and listed a cycle, coldest first."""

LABELLED_CLOUDS = 9
"""Cloud cells whose number is on the map: more hide it."""

MISSING_ZH = (
    (re.compile(r"radar (\S+)"), r"雷达 \1"),
    (re.compile(r"satellite (\S+): a slot is missing, its newest image is (\d+) min old"),
     r"卫星 \1 缺一个时次，最新图像已 \2 分钟"),
    (re.compile(r"satellite (\S+)"), r"卫星 \1"),
    (re.compile(r"lightning"), "闪电资料"),
    (re.compile(r"file (\S+) \((\S+)\)"), r"文件 \1（\2）"),
)  # fmt: skip
"""What a cycle says is missing, in Chinese."""

RECORDS_ZH = {"events": "事件", "groups": "组", "flashes": "闪电", "strokes": "回击"}
"""Counts of lightning in a source's record, in Chinese."""

SIGNAL_COLOURS = {"blue": "#2b6cd4", "yellow": "#d9ae00", "orange": "#f28300", "red": "#d3131b"}
READABLE = 0o644
TEMPLATES = Path(__file__).parent / "templates"


def publish(home: Home, region: Region, result: RunResult, *, report: bool = True) -> None:
    """Write the drafts' files and report.html; each file is whole or not there, and the ledger knows it.

    Args:
        report: False where the page shows something newer already.
    """
    with stage("report"):
        _publish(home, region, result, report=report)


def _publish(home: Home, region: Region, result: RunResult, *, report: bool) -> None:
    ledger = home.ledger()
    for cycle in result.cycles:
        project_drafts(home, region, ledger, cycle.time, since=cycle.time)
    if report:
        content = render(region, result).encode()
        write_whole(home.report, content)
        for cycle in result.cycles[-1:]:
            product = _products({home.report: content}, home)
            record_products(ledger, region.id, cycle.time, cycle.snapshot, product)


def project_drafts(
    home: Home, region: Region, ledger: Ledger, until: datetime, *, since: datetime | None = None
) -> None:
    """Make the files of drafts what the ledger says: also where a crash or a full disk came between the two.

    Args:
        until, since: cycles from `since` to `until`, both inside; the day before `until` where None.

    Raises:
        OSError: a file cannot be written.
    """
    start = until - WARNING_MEMORY if since is None else since
    by_cycle: dict[datetime, list[WarningRow]] = {}
    for row in warnings_before(ledger, region.id, until + CYCLE, since=start):
        by_cycle.setdefault(row.cycle_time, []).append(row)
    for cycle in cycles_between(ledger, region.id, start, until):
        rows = by_cycle.get(cycle.time, [])
        files = _draft_files(home, region, cycle.time, rows)
        changed = {path: content for path, content in files.items() if not _holds(path, content)}
        for path, content in changed.items():
            write_whole(path, content)
        if changed:
            record_products(ledger, region.id, cycle.time, cycle.snapshot_id, _products(changed, home))


def _draft_files(home: Home, region: Region, when: datetime, rows: Sequence[WarningRow]) -> dict[Path, bytes]:
    """The files of a cycle's drafts; those of withdrawn ones are deleted."""
    for row in rows:
        if row.state == WITHDRAWN:
            (home.drafts / f"{row.id}.xml").unlink(missing_ok=True)
    drafts = [item for row in rows if row.state == DRAFT and (item := _warning(row)) is not None]
    collection = home.drafts / f"{region.id}-{when:%Y%m%dT%H%MZ}.geojson"
    if not drafts:
        collection.unlink(missing_ok=True)
        return {}
    return {**{home.drafts / f"{item.id}.xml": cap_xml(item) for item in drafts}, collection: geojson_bytes(drafts)}


def _warning(row: WarningRow) -> Warning | None:
    """None for what another version of wxcore wrote and this one cannot read: its files stay as they are."""
    try:
        return from_json(row.json)
    except (KeyError, TypeError, ValueError, WxcoreError):
        return None


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _products(files: Mapping[Path, bytes], home: Home) -> list[Product]:
    return [
        Product(path.relative_to(home.root).as_posix(), hashlib.sha256(content).hexdigest(), len(content))
        for path, content in files.items()
    ]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that readers find whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        part.write(content)
    Path(part.name).chmod(READABLE)
    Path(part.name).replace(path)


@cache
def _template() -> jinja2.Template:
    """Compiled once a process: that takes as long as filling it in."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)
    return environment.get_template("report.html.j2")


def render(region: Region, result: RunResult) -> str:
    """The page as text."""
    canvas = Canvas.of(region.grid)
    shown = result.cycles[-MAX_CYCLES:]
    trails = tracks(shown, canvas)
    return _template().render(
        region=region,
        version=wxcore.__version__,
        width=WIDTH,
        height=round(canvas.height, 1),
        simulated=any(cycle.truth != REAL for cycle in shown),
        districts=districts(region, shown, canvas),
        radars=[
            {"x": canvas.x(site.lon), "y": canvas.y(site.lat), "title": f"{site.id} {site.name_zh}"}
            for site in (region.radars_at(shown[-1].time) if shown else ())
            if region.grid.contains(site.lon, site.lat)
        ],
        inputs=[item.to_json() for item in result.inputs],
        failures=result.failures,
        cycles=[_cycle(cycle, canvas, trails) for cycle in shown],
        animation=animation(shown),
    )


def _cycle(cycle: CycleResult, canvas: Canvas, trails: Tracks) -> dict[str, Any]:
    storms = cycle.storms.sort_values("max_dbz", ascending=False).head(MAX_STORMS)
    chances = first_hour(cycle.probabilities)
    return {
        "bjt": f"{beijing(cycle.time):%Y-%m-%d %H:%M}",
        "utc": f"{require_utc(cycle.time):%H:%M}",
        "notes": [{"zh": zh, "en": en} for zh, en in zip(cycle.notes_zh, cycle.notes_en, strict=True)],
        "missing": cycle.missing,
        "missing_zh": [_missing_zh(item) for item in cycle.missing],
        "no_radar": ONLY_SKY[0] in cycle.notes_en,
        "sky": sky_sources(cycle),
        "compared": [item for item in cycle.sources if "check" in item],
        "clouds": _clouds(cycle.clouds.head(MAX_CLOUDS), canvas),
        "cloud_count": len(cycle.clouds),
        "levels": levels(cycle),
        "ground": stations(cycle, canvas),
        "pictures": [picture(item) for item in cycle.pictures],
        "warned": {
            adcode: SIGNAL_COLOURS[item.level]
            for item in sorted(cycle.active, key=lambda item: list(SIGNAL_COLOURS).index(item.level))
            for adcode in item.adcodes
        },
        "drafts": [{"text": item, "new": item in cycle.drafts} for item in cycle.active],
        "count": len(cycle.storms),
        "storms": _storms(storms, chances, canvas, cycle, trails),
        "inputs": [item.to_json() for item in cycle.inputs],
        "quality": cycle.quality,
        "snapshot": cycle.snapshot,
        "committed": cycle.committed,
    }


def _storms(
    storms: pd.DataFrame,
    chances: Mapping[tuple[str, str], Mapping[str, Any]],
    canvas: Canvas,
    cycle: CycleResult,
    trails: Tracks,
) -> list[dict[str, Any]]:
    ahead = leads(storms, canvas)
    return [
        {
            "id": row["storm_id"],
            "short": f"{number}",
            "path": canvas.path(row["polygon"]),
            "track": trails.get((row["storm_id"], cycle.time), ""),
            "x": canvas.x(row["lon"]),
            "y": canvas.y(row["lat"]),
            "leads": ahead.get(row["storm_id"], []),
            "place": _place(row),
            "numbers": _numbers(row),
            "chances": [_chance(chances[row["storm_id"], hazard]) for hazard in HAZARDS],
        }
        for number, row in enumerate(storms.to_dict("records"), start=1)
    ]


def _numbers(row: Mapping[Any, Any]) -> list[str]:
    speed = speed_m_s(row)
    motion = f"{speed:.0f}±{row['motion_sd_m_s']:.0f} m/s" if math.isfinite(speed) else "–"
    names = ("max_dbz", "vil_kg_m2", "echo_top_18_km", "mesh_mm", "posh_percent")
    sky = (_whole(row["bt108_min_k"] - ZERO_C_K), _figure(row["flash_rate_min"]))
    return [f"{row['area_km2']:.0f}", *(_figure(row[name]) for name in names), *sky, motion, f"{row['age_min']:.0f}"]


def _figure(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "–"


def _whole(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "–"


def _missing_zh(item: str) -> str:
    """In Chinese; as it is where nothing else is known."""
    return next((found.expand(zh) for pattern, zh in MISSING_ZH if (found := pattern.fullmatch(item))), item)


def sky_sources(cycle: CycleResult) -> list[dict[str, Any]]:
    """One row a source of satellite images or lightning: files, minutes since the newest, bad lines, records."""
    rows: dict[str, dict[str, Any]] = {}
    for item in cycle.sources:
        if "source" not in item:
            continue
        row = rows.setdefault(
            item["source"], {"name": item["source"], "files": 0, "age": math.inf, "bad": None, "left_out": 0}
        )
        row["files"] += 1
        since_end = (cycle.time - parse_time(item["end"])).total_seconds() / 60
        row["age"] = min(row["age"], item.get("age_min", since_end))
        if "bad_lines" in item:
            row["bad"] = (row["bad"] or 0) + item["bad_lines"]
        for name in RECORDS_ZH:
            row[name] = row.get(name, 0) + item.get(name, 0)
        row["left_out"] += sum(item.get("left_out", {}).values())
    return [_told(row) for row in rows.values()]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    counts = [(name, zh, row[name]) for name, zh in RECORDS_ZH.items() if row[name]]
    zh = [f"{word} {count} 个" for _, word, count in counts]
    en = [f"{count} {name}" for name, _, count in counts]
    if row["left_out"]:
        zh.append(f"剔除 {row['left_out']} 个")
        en.append(f"{row['left_out']} left out")
    return {**row, "age": _whole(row["age"]), "bad": "–" if row["bad"] is None else row["bad"],
            "zh": "，".join(zh), "en": ", ".join(en)}  # fmt: skip


def _clouds(cells: pd.DataFrame, canvas: Canvas) -> list[dict[str, Any]]:
    return [
        {
            "id": row["cell_id"],
            "short": f"C{number}",
            "label": number <= LABELLED_CLOUDS,
            "path": canvas.path(row["polygon"]),
            "x": canvas.x(row["lon"]),
            "y": canvas.y(row["lat"]),
            "place": _place(row),
            "numbers": [
                f"{row['area_km2']:.0f}", _whole(row["bt108_min_k"] - ZERO_C_K), _figure(row["bt108_change_15min_k"]),
                _whole(row["overshooting_tops"]), _whole(row["convective_initiation"]),
                _figure(row["flash_rate_min"]), _whole(100 * row["radar_fraction"]), _whole(row["age_min"]),
            ],
            "source": row["source"],
        }
        for number, row in enumerate(cells.to_dict("records"), start=1)
    ]  # fmt: skip


def _place(row: Mapping[Any, Any]) -> str:
    return f"{abs(row['lat']):.2f}{'NS'[row['lat'] < 0]} {abs(row['lon']):.2f}{'EW'[row['lon'] < 0]}"


def _chance(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "text": f"{100 * row['p']:.0f} %" if math.isfinite(row["p"]) else "未评估 n/a",
        "zh": "；".join(row["drivers_zh"]),
        "en": "; ".join(row["drivers"]),
        "model": row["model"],
        "missing": ", ".join(SOURCES_EN.get(name, name) for name in row["inputs_missing"]),
        "missing_zh": "、".join(SOURCES_ZH.get(name, name) for name in row["inputs_missing"]),
    }

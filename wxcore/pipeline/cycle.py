"""One cycle: the files known at its time, to the cube, storms, probabilities, drafts and one commit."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import wxcore
from wxcore.archive.read import list_cycles, read_provenance
from wxcore.archive.store import commit_cycle
from wxcore.archive.storms import recent_storms
from wxcore.environment.levels import Levels, levels_for
from wxcore.errors import WxcoreError
from wxcore.hazard.rules import probabilities
from wxcore.landing.land import landed_path
from wxcore.landing.ledger import record_cycle, record_warnings
from wxcore.pipeline import analyse
from wxcore.pipeline.gather import Chosen, choose, is_simulated, load_volumes
from wxcore.pipeline.home import Home
from wxcore.pipeline.picture import MESH_COLOURS, REFLECTIVITY_COLOURS, paint
from wxcore.pipeline.read import read_file
from wxcore.pipeline.result import STORED, CycleResult, Input, Picture, plain_record
from wxcore.region import Region
from wxcore.storms.identify import identify
from wxcore.storms.track import track
from wxcore.times import iso, require_utc
from wxcore.warning.draft import draft, is_new
from wxcore.warning.model import Warning, from_dict, to_dict

WARNING_MEMORY = timedelta(hours=24)
"""How far back drafts are looked up for hysteresis and references: the longest validity (DOMAIN.md 6.3)."""


@dataclass(frozen=True)
class _Analysis:
    """The cube and what to say about its sources."""

    cube: xr.Dataset
    kind: str
    simulated: bool
    missing: tuple[str, ...]
    notes_en: tuple[str, ...]
    notes_zh: tuple[str, ...]


def run_cycle(
    home: Home,
    region: Region,
    when: datetime,
    *,
    h0_m: float | None = None,
    hm20_m: float | None = None,
) -> CycleResult:
    """Run the cycle at `when` (aware UTC, a six-minute slot) from the landed files.

    Args:
        h0_m, hm20_m: heights of 0 C and -20 C [m ASL] set by hand; climatology where None.

    Raises:
        WxcoreError: nothing usable is on file for this cycle.
    """
    when = require_utc(when)
    levels = levels_for(region, when, h0_m=h0_m, hm20_m=hm20_m)
    ledger = home.ledger()
    chosen = choose(ledger, region, when)
    if not chosen.rows:
        raise WxcoreError(
            f"nothing on file for {region.id} at {iso(when)}: ingest radar volumes or mosaics of that time first",
            f"{region.name_zh} {iso(when)} 没有可用资料：请先导入该时次的雷达基数据或拼图",
        )
    analysis = _analyse(home, region, when, chosen, levels)
    storms = _storms(home, region, when, analysis.cube)
    chances = probabilities(storms, levels_quality=levels.quality)
    previous = _previous(home, region, when)
    live = draft(
        storms, chances, region,
        when=when, previous=previous, data_kind=analysis.kind,
        degraded=tuple(zip(analysis.notes_en, analysis.notes_zh, strict=True)),
        truth="SYN" if analysis.simulated else "real",
    )  # fmt: skip
    provenance = _provenance(region, chosen, analysis, levels, live)
    provenance["fingerprint"] = _fingerprint(provenance, storms, chances)
    commit = commit_cycle(
        home.archive, region.id, region.grid, when, analysis.cube, storms, provenance, probabilities=chances
    )
    drafts = tuple(item for item in live if is_new(item, when))
    record_cycle(
        ledger, region.id, when,
        snapshot_id=commit.snapshot_id, fingerprint=provenance["fingerprint"],
        degraded=bool(analysis.missing or analysis.notes_en), missing=analysis.missing,
    )  # fmt: skip
    record_warnings(ledger, [(item.id, region.id, when, item.hazard, item.level, to_dict(item)) for item in drafts])
    return CycleResult(
        time=when,
        notes_en=analysis.notes_en,
        notes_zh=analysis.notes_zh,
        missing=analysis.missing,
        inputs=_inputs(chosen),
        storms=storms,
        probabilities=chances,
        drafts=drafts,
        active=tuple(live),
        levels={"h0_m": levels.h0_m, "hm20_m": levels.hm20_m, "source": levels.source, "quality": levels.quality},
        snapshot=commit.snapshot_id,
        committed=commit.new,
        simulated=analysis.simulated,
        pictures=_pictures(analysis.cube, simulated=analysis.simulated),
    )


def _analyse(home: Home, region: Region, when: datetime, chosen: Chosen, levels: Levels) -> _Analysis:
    volumes = load_volumes(home, region, chosen.volumes)
    present = {volume.site.id for volume in volumes}
    missing = tuple(f"radar {site.id}" for site in region.radars_at(when) if site.id not in present)
    notes_en: list[str] = []
    notes_zh: list[str] = []
    flat = None
    if chosen.composite is not None:
        native = read_file(landed_path(home.landing, chosen.composite.sha256), chosen.composite.name).native
        flat = analyse.composite_cube(native, region, when)
    if volumes:
        cube = analyse.volume_cube(volumes, region, when, levels)
    elif chosen.mosaic is not None:
        native = read_file(landed_path(home.landing, chosen.mosaic.sha256), chosen.mosaic.name).native
        cube = analyse.mosaic_cube(native, region, when, levels)
        notes_en.append("mosaic of another system, its quality control unknown")
        notes_zh.append("采用外部系统三维拼图，其质控情况未知")
    else:
        assert flat is not None, "choose() gave a row of no known kind"
        notes_en.append("2-D only: hail and gale were not assessed")
        notes_zh.append("仅有二维组合反射率：未评估冰雹和雷暴大风")
        return _Analysis(flat, "composite", False, missing, tuple(notes_en), tuple(notes_zh))
    if flat is not None:
        cube = analyse.fill_with_composite(cube, flat)
    if levels.quality != "good":
        notes_en.append("0 C and -20 C heights are climatology: MESH and POSH less certain")
        notes_zh.append("0℃和-20℃层高度取自气候值：MESH、POSH 可信度降低")
    return _Analysis(cube, "volume", is_simulated(volumes), missing, tuple(notes_en), tuple(notes_zh))


def _storms(home: Home, region: Region, when: datetime, cube: xr.Dataset) -> pd.DataFrame:
    cells = identify(cube, region.grid)
    history = recent_storms(home.archive, region.id, when)
    return track(cells, history, when=when, grid=region.grid)


def _previous(home: Home, region: Region, when: datetime) -> list[Warning]:
    """What was live after the newest cycle before this one, within the longest validity."""
    earlier = [time for time in list_cycles(home.archive, region.id) if when - WARNING_MEMORY <= time < when]
    if not earlier:
        return []
    provenance = read_provenance(home.archive, region.id, earlier[-1]) or {}
    return [from_dict(row) for row in provenance.get("warnings", [])]


def _provenance(
    region: Region,
    chosen: Chosen,
    analysis: _Analysis,
    levels: Levels,
    live: Sequence[Warning],
) -> dict[str, Any]:
    """What the commit says of itself: its sources, and the warnings that live after it."""
    return {
        "wxcore_version": wxcore.__version__,
        "region": region.id,
        "inputs": [{"sha256": row.sha256, "file": row.name, "site": row.site} for row in chosen.rows],
        "levels": {"h0_m": levels.h0_m, "hm20_m": levels.hm20_m, "source": levels.source},
        "missing": list(analysis.missing),
        "notes": list(analysis.notes_en),
        "truth": "SYN" if analysis.simulated else "real",
        "warnings": [to_dict(item) for item in live],
    }


def _fingerprint(provenance: dict[str, Any], storms: pd.DataFrame, chances: pd.DataFrame) -> str:
    """The same inputs, history and code give the same; storms carry what came from earlier cycles."""
    rows = storms.drop(columns=["polygon", "time"]).to_dict("records") + chances.to_dict("records")
    text = json.dumps([provenance, [plain_record(row) for row in rows]], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _inputs(chosen: Chosen) -> tuple[Input, ...]:
    return tuple(
        Input(row.name, row.sha256, STORED, kind=row.kind, site=row.site, time=row.obs_time) for row in chosen.rows
    )


def _pictures(cube: xr.Dataset, *, simulated: bool) -> tuple[Picture, ...]:
    fields = (
        ("composite_reflectivity", "Composite reflectivity, dBZ", "组合反射率（dBZ）", REFLECTIVITY_COLOURS),
        ("mesh", "MESH, mm", "最大预估冰雹尺寸 MESH（毫米）", MESH_COLOURS),
    )
    mark = "SYN " if simulated else ""
    pictures = []
    for name, title_en, title_zh, bands in fields:
        values = cube[name].isel(time=0).to_numpy()
        if np.isfinite(values).any():
            pictures.append(Picture(mark + title_en, mark + title_zh, paint(values, bands), bands))
    return tuple(pictures)

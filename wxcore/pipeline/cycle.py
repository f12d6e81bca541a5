"""One cycle: the files known at its time, to the cube, storms, probabilities, drafts and one commit."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import wxcore
from wxcore.archive.read import list_cycles, read_provenance
from wxcore.archive.store import Commit, commit_cycle
from wxcore.archive.storms import recent_storms
from wxcore.environment.levels import Levels
from wxcore.errors import WxcoreError
from wxcore.landing.ledger import (
    WITHDRAWN,
    Draft,
    Lease,
    Ledger,
    Outcome,
    fence,
    held,
    process_holder,
    publish_cycle,
    warnings_before,
)
from wxcore.pipeline.air import Air, air_of, by_hand
from wxcore.pipeline.analyse import REAL, Analysis, analyse
from wxcore.pipeline.catchup import WARNING_MEMORY, basis_now
from wxcore.pipeline.chances import Chances, chances_of
from wxcore.pipeline.gather import Chosen, choose
from wxcore.pipeline.home import Home
from wxcore.pipeline.picture import (
    CLOUD_COLOURS,
    DEFICIT_COLOURS,
    FLASH_COLOURS,
    MESH_COLOURS,
    REFLECTIVITY_COLOURS,
    SHEAR_COLOURS,
    WIND_COLOURS,
    paint,
)
from wxcore.pipeline.result import STORED, CycleResult, Input, Picture, first_hour, plain, plain_record
from wxcore.pipeline.stages import stage
from wxcore.radar.kinematics.hints import storm_hints
from wxcore.region import Region
from wxcore.schema import CLOUD_CELLS
from wxcore.storms.clouds import cloud_cells
from wxcore.storms.identify import identify
from wxcore.storms.lightning import cell_flash_rate, storm_lightning
from wxcore.storms.satellite import storm_satellite
from wxcore.storms.stations import storm_stations
from wxcore.storms.track import track
from wxcore.times import CYCLE, iso, require_utc
from wxcore.warning.draft import draft, is_new
from wxcore.warning.model import Warning, from_dict, from_json, to_dict


def run_cycle(
    home: Home,
    region: Region,
    when: datetime,
    *,
    h0_m: float | None = None,
    hm20_m: float | None = None,
    issue: bool = True,
) -> CycleResult:
    """Run the cycle at `when` (aware UTC, a six-minute slot) from the landed files.

    Of several runs of one cycle at a time one holds the lease, and only it may publish.

    Args:
        h0_m, hm20_m: heights of 0 C and -20 C [m ASL] set by hand; where None, those of a model, a sounding, or
            climatology (`air_of`).
        issue: enter the drafts in the ledger. False for a late re-analysis: it changes no warning.

    Raises:
        LedgerError: another run holds the lease on this cycle, or took it over.
        WxcoreError: nothing usable is on file for this cycle.
    """
    when = require_utc(when)
    given = by_hand(region, when, h0_m, hm20_m)
    ledger = home.ledger()
    with held(ledger, region.id, when, holder=process_holder()) as lease:
        return _run(home, region, when, given, ledger, lease, issue=issue)


def _run(
    home: Home, region: Region, when: datetime, given: Levels | None, ledger: Ledger, lease: Lease, *, issue: bool
) -> CycleResult:
    chosen = _chosen(ledger, region, when)
    with stage("choose"):
        basis = basis_now(ledger, region, when, chosen)
    analysis, levels = _analysed(home, region, when, chosen, given)
    with stage("storms"):
        storms, cells, history = _storms(home, region, when, analysis)
    with stage("probabilities"):
        judged = chances_of(home, storms, history, _levels(levels), truth=analysis.truth)
        chances = judged.table
    analysis = _telling(_telling_unjudged_hail(analysis, chances), judged.notes)
    with stage("drafts"):
        previous = _previous(home, region, ledger, when)
        live = _live(region, when, storms, chances, previous, analysis)
        if not issue:
            live = _as_issued(region, ledger, when, previous, live)
    provenance = _provenance(region, chosen, analysis, levels, judged, live)
    provenance["fingerprint"] = _fingerprint(provenance, storms, chances)
    with stage("commit"):
        commit = commit_cycle(
            home.archive, region.id, region.grid, when, analysis.cube, storms, provenance, probabilities=chances,
            cloud_cells=cells, stations=analysis.ground.observations, station_table=_kept(analysis.ground.table),
            fence=partial(fence, ledger, lease),
        )  # fmt: skip
    drafts = tuple(item for item in live if is_new(item, when)) if issue else ()
    with stage("record"):
        withdrawn = _record(ledger, lease, commit, provenance, basis, drafts, issue=issue)
    with stage("pictures"):
        pictures = _pictures(analysis.cube, analysis.truth)
    sky_notes = (*(analysis.sky.notes if analysis.sky else ()), *analysis.ground.notes)
    return CycleResult(
        time=when,
        notes_en=(*analysis.notes_en, *(en for en, _ in sky_notes)),
        notes_zh=(*analysis.notes_zh, *(zh for _, zh in sky_notes)),
        missing=analysis.missing,
        inputs=_inputs(chosen),
        storms=storms,
        probabilities=chances,
        clouds=cells if cells is not None else pd.DataFrame(columns=[column.name for column in CLOUD_CELLS]),
        sources=analysis.sky.sources if analysis.sky else (),
        stations=analysis.ground.table,
        station_sources=analysis.ground.sources,
        drafts=drafts,
        withdrawn=withdrawn,
        active=tuple(live),
        levels=_levels(levels),
        quality=analysis.quality,
        snapshot=commit.snapshot_id,
        committed=commit.new,
        truth=analysis.truth,
        reanalysis=not issue,
        pictures=pictures,
    )


def _chosen(ledger: Ledger, region: Region, when: datetime) -> Chosen:
    with stage("choose"):
        chosen = choose(ledger, region, when)
    if not chosen.observed:
        raise WxcoreError(
            f"nothing on file for {region.id} at {iso(when)}: ingest radar, satellite, lightning or station "
            "files of that time first",
            f"{region.name_zh} {iso(when)} 没有可用资料：请先导入该时次的雷达基数据、拼图、卫星或地面站资料",
        )
    return chosen


def _analysed(
    home: Home, region: Region, when: datetime, chosen: Chosen, given: Levels | None
) -> tuple[Analysis, Levels]:
    """What was chosen, decoded and put together, and the levels that it was judged by."""
    with stage("environment"):
        air = Air(given) if given is not None else air_of(home, region, when, chosen.air)
    analysis = analyse(home, region, when, chosen, air.levels)
    if air.simulated and analysis.kind != "sky" and analysis.truth == REAL:
        air = air_of(home, region, when, chosen.air, real_only=True)  # real hail is not judged by simulated air
        analysis = analyse(home, region, when, chosen, air.levels)
    return replace(analysis, missing=(*analysis.missing, *air.missing)), air.levels


def _telling_unjudged_hail(analysis: Analysis, chances: pd.DataFrame) -> Analysis:
    """A note where beams looked, yet nobody could judge the hail of some storms: silence would read as "no hail"."""
    hail = [row for (_, hazard), row in first_hour(chances).items() if hazard == "hail"]
    blind = sum(not math.isfinite(row["p"]) for row in hail)
    if analysis.kind != "volume" or blind == 0:
        return analysis
    en = f"hail not assessed for {blind} of {len(hail)} storms: too near to or far from radars, or hail layer unseen"
    zh = f"{len(hail)}个风暴中有{blind}个未评估冰雹：距雷达过近或过远，或成雹层未观测到"
    return _telling(analysis, [(en, zh)])


def _telling(analysis: Analysis, notes: Sequence[tuple[str, str]]) -> Analysis:
    """With more notes, (English, Chinese)."""
    return replace(
        analysis,
        notes_en=(*analysis.notes_en, *(en for en, _ in notes)),
        notes_zh=(*analysis.notes_zh, *(zh for _, zh in notes)),
    )


def _live(
    region: Region,
    when: datetime,
    storms: pd.DataFrame,
    chances: pd.DataFrame,
    previous: Sequence[Warning],
    analysis: Analysis,
) -> list[Warning]:
    """What stands after this cycle. Without any radar nothing was assessed: what stood before stands until it ends."""
    if analysis.kind == "sky":
        return [item for item in previous if item.expires > when]
    return draft(
        storms, chances, region, when=when, previous=previous, data_kind=analysis.kind,
        degraded=tuple(zip(analysis.notes_en, analysis.notes_zh, strict=True)), truth=analysis.truth,
    )  # fmt: skip


def _storms(
    home: Home, region: Region, when: datetime, analysis: Analysis
) -> tuple[pd.DataFrame, pd.DataFrame | None, list[pd.DataFrame]]:
    """The storms with all that is known of them; the cloud cells, None where no satellite looked; earlier storms."""
    cube, grid, sky = analysis.cube, region.grid, analysis.sky
    history = recent_storms(home.archive, region.id, when)
    storms = track(identify(cube, grid), history, when=when, grid=grid)
    extras = [
        storm_hints(cube, storms, grid),
        storm_satellite(cube, storms, grid),
        storm_stations(storms, analysis.ground.table, when),
    ]
    cells = None
    if sky is not None:
        extras.append(storm_lightning(storms, sky.flashes, when, grid))
        if "brightness_temperature_108" in cube:
            cells = cloud_cells(cube, grid, motion=sky.motion).table
            cells = cells.assign(flash_rate_min=cell_flash_rate(cells, sky.flashes, when, grid))
    return storms.assign(**{str(name): extra[name] for extra in extras for name in extra}), cells, history


def _previous(home: Home, region: Region, ledger: Ledger, when: datetime) -> list[Warning]:
    """What was live after the newest cycle before this one, within the longest validity, and is on record: what an
    archive says of drafts that never reached the ledger, or were withdrawn since, stands for nothing."""
    earlier = [time for time in list_cycles(home.archive, region.id, since=when - WARNING_MEMORY) if time < when]
    if not earlier:
        return []
    provenance = read_provenance(home.archive, region.id, earlier[-1]) or {}
    rows = warnings_before(ledger, region.id, when, since=when - WARNING_MEMORY)
    standing = {row.id for row in rows if row.state != WITHDRAWN}
    return [item for item in map(from_dict, provenance.get("warnings", [])) if item.id in standing]


def _as_issued(
    region: Region, ledger: Ledger, when: datetime, previous: Sequence[Warning], live: Sequence[Warning]
) -> list[Warning]:
    """What stands after a re-analysis, which changes no warning: of what it would draft only what the ledger knows, in
    the ledger's words; what this cycle drafted when it was the present; and what only a new message would replace."""
    rows = warnings_before(ledger, region.id, when + CYCLE, since=when - WARNING_MEMORY)
    rows = [row for row in rows if row.state != WITHDRAWN and row.cycle_time <= when]
    known = {row.id for row in rows}
    own = {row.id: from_json(row.json) for row in rows if row.cycle_time == when}
    stands = [own.pop(item.id, item) for item in live if item.id in known] + list(own.values())
    unsaid = {reference.identifier for item in live if item.id not in known for reference in item.references}
    unsaid -= {reference.identifier for item in stands for reference in item.references}
    return stands + [item for item in previous if item.id in unsaid and item.expires > when]


def _provenance(
    region: Region,
    chosen: Chosen,
    analysis: Analysis,
    levels: Levels,
    judged: Chances,
    live: Sequence[Warning],
) -> dict[str, Any]:
    """What the commit says of itself: its sources, the models that judged, and the warnings that live after it."""
    return {
        "wxcore_version": wxcore.__version__,
        "region": region.id,
        "inputs": [{"sha256": row.sha256, "site": row.site, "format": row.format} for row in chosen.rows],
        "levels": _levels(levels),
        "models": judged.models,
        "missing": list(analysis.missing),
        "notes": list(analysis.notes_en),
        "truth": analysis.truth,
        "quality": analysis.quality,
        "winds": analysis.winds,
        "radar_pairs": list(analysis.radar_pairs),
        "remarks": analysis.remarks,
        "static": analysis.static,
        "sky": list(analysis.sky.sources) if analysis.sky else [],
        "sky_notes": [en for en, _ in analysis.sky.notes] if analysis.sky else [],
        "stations": list(analysis.ground.sources),
        "station_notes": [en for en, _ in analysis.ground.notes],
        "warnings": [to_dict(item) for item in live],
    }


def _fingerprint(provenance: dict[str, Any], storms: pd.DataFrame, chances: pd.DataFrame) -> str:
    """The same inputs, history and code give the same; storms carry what came from earlier cycles."""
    rows = storms.drop(columns=["polygon", "time"]).to_dict("records") + chances.to_dict("records")
    text = json.dumps([provenance, [plain_record(row) for row in rows]], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _record(
    ledger: Ledger,
    lease: Lease,
    commit: Commit,
    provenance: Mapping[str, Any],
    basis: str,
    drafts: Sequence[Warning],
    *,
    issue: bool,
) -> tuple[str, ...]:
    """Tell the ledger; returns the ids of drafts that an earlier run of this cycle left and this one withdraws."""
    return publish_cycle(
        ledger, lease,
        Outcome(
            snapshot_id=commit.snapshot_id, fingerprint=provenance["fingerprint"], basis=basis, reanalysis=not issue,
            degraded=bool(provenance["missing"] or provenance["notes"]), missing=tuple(provenance["missing"]),
        ),
        drafts=[Draft(item.id, item.hazard, item.level, to_dict(item)) for item in drafts] if issue else None,
    )  # fmt: skip


def _kept(table: pd.DataFrame) -> pd.DataFrame | None:
    return None if table.empty else table


def _levels(levels: Levels) -> dict[str, Any]:
    """What is told of the environment: heights [m ASL], their source, its age [h] and quality, and the indices."""
    figures = {"h0_m": levels.h0_m, "hm20_m": levels.hm20_m, "hm10_m": levels.hm10_m,
               "wet_bulb_zero_m": levels.wet_bulb_zero_m, "age_h": levels.age_h}  # fmt: skip
    told = {name: None if value is None else plain(value) for name, value in figures.items()}
    return told | {
        "source": levels.source,
        "note": levels.source_note,
        "note_zh": levels.note_zh,
        "quality": levels.quality,
        "remarks": [en for en, _ in levels.remarks],
        "remarks_zh": [zh for _, zh in levels.remarks],
        "indices": {name: plain(value) for name, value in sorted(levels.indices.items())},
    }


def _inputs(chosen: Chosen) -> tuple[Input, ...]:
    return tuple(
        Input(row.name, row.sha256, STORED, kind=row.kind, site=row.site, time=row.obs_time) for row in chosen.rows
    )


def _pictures(cube: xr.Dataset, truth: str) -> tuple[Picture, ...]:
    fields = (
        ("composite_reflectivity", 1.0, "Composite reflectivity, dBZ", "组合反射率（dBZ）", REFLECTIVITY_COLOURS),
        ("mesh", 1.0, "MESH, mm", "最大预估冰雹尺寸 MESH（毫米）", MESH_COLOURS),
        ("radial_wind_low", 1.0, "Radial wind below 1.5 km, m/s", "1.5公里以下径向风（米/秒）", WIND_COLOURS),
        (
            "azimuthal_shear_mid",
            1e3,
            "Cyclonic shear 3-6 km, 10^-3/s",
            "3至6公里气旋性切变（10⁻³/秒）",
            SHEAR_COLOURS,
        ),
        ("brightness_temperature_108", 1.0, "Brightness temperature 10.8 um, K", "10.8微米亮温（K）", CLOUD_COLOURS),
        ("flash_density", 1.0, "Flash density, per km2 and hour", "闪电密度（次/平方公里·小时）", FLASH_COLOURS),
        ("theta_e_deficit", 1.0, "Theta-e deficit at the ground, K", "地面相当位温亏缺（K）", DEFICIT_COLOURS),
        ("gust_nearby", 1.0, "Gusts of the last hour, m/s", "近1小时极大风（米/秒）", WIND_COLOURS),
    )
    mark = "" if truth == REAL else f"{truth} "
    pictures = []
    for name, factor, title_en, title_zh, bands in fields:
        if name not in cube:
            continue
        values = factor * cube[name].isel(time=0).to_numpy()
        if np.isfinite(values).any():
            pictures.append(Picture(mark + title_en, mark + title_zh, paint(values, bands), bands))
    return tuple(pictures)

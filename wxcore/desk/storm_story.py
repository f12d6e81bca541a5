"""A storm's story: its time series, and what changed together with its probability since the cycle before.

What is told are the record's own numbers before and after. It is an association, not a cause: the page says so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from wxcore.desk.frames import recent_cycles, tables_of
from wxcore.errors import ArchiveError
from wxcore.hazard.drivers import UNITS_EN, UNITS_ZH
from wxcore.hazard.features.catalogue import FEATURES, SOURCES_EN, SOURCES_ZH
from wxcore.landing.ledger import CycleRow, Ledger
from wxcore.pipeline.home import Home
from wxcore.pipeline.result import first_hour, plain, speed_m_s
from wxcore.region import Region
from wxcore.schema import HAZARDS
from wxcore.times import beijing, iso, require_utc

BACK = timedelta(hours=2)
"""How far back a storm's series goes: as far as the map's slider."""

SERIES = ("max_dbz", "mesh_mm", "vil_kg_m2", "echo_top_18_km", "flash_rate_min")

STEPS: Mapping[str, float] = {
    "max_dbz": 3.0, "vil_kg_m2": 5.0, "vil_density_g_m3": 0.5, "echo_top_18_km": 1.0, "echo_top_45_km": 1.0,
    "mesh_mm": 5.0, "mesh20_area_km2": 10.0, "posh_percent": 10.0, "h45_above_h0_km": 1.0, "area_km2": 50.0,
    "flash_rate_min": 5.0, "lightning_jump_sigma": 1.0, "peak_current_ka": 30.0, "bt108_min_k": 3.0,
    "bt108_change_15min_k": 3.0, "overshooting_tops": 1.0, "gust_near_m_s": 3.0, "pressure_jump_hpa": 1.0,
    "temperature_drop_k": 2.0, "theta_e_deficit_k": 3.0, "radial_wind_low_m_s": 3.0, "marc_m_s": 5.0,
    "azimuthal_shear_mid_s1": 2e-3, "azimuthal_shear_low_s1": 2e-3, "storm_top_divergence_m_s": 5.0,
    "zdr_column_km": 0.5, "hail_size_class": 1.0, "speed_m_s": 3.0, "observed_fraction": 0.2,
}  # fmt: skip
"""Change [units of the feature] that a forecaster would remark on; changes are ranked in these steps [our choice]."""

TOLD = 6
"""Changes that are told, the largest first."""

LEAST_STEPS = 0.3
"""A smaller change is not told: it is within what one scan differs from the next [our choice]."""

LEAST_P = 0.01
"""A smaller change of probability is told as none."""

NAMES = {feature.name: feature for feature in FEATURES}


@dataclass(frozen=True)
class Seen:
    """A storm in one cycle: its row, and its first-hour probabilities by hazard."""

    time: datetime
    storm: Mapping[str, Any]
    chances: Mapping[str, Mapping[str, Any]]


def storm_story(home: Home, ledger: Ledger, region: Region, storm_id: str, *, until: datetime) -> dict[str, Any] | None:
    """JSON of /api/storm/{id}: series, drivers, and the change since the cycle before; None where it was not there.

    Args:
        until: the cycle that is looked at; what came after it is not told.
    """
    until = require_utc(until)
    cycles = recent_cycles(ledger, region, now=until, hours=BACK.total_seconds() / 3600)
    seen = sightings(home, region, [row for row in cycles if row.time <= until], storm_id)
    if not seen:
        return None
    last = seen[-1]
    return {
        "id": storm_id,
        "time": iso(last.time),
        "bjt": f"{beijing(last.time):%m-%d %H:%M}",
        "parents": list(last.storm["parents"]),
        "series": [_point(item) for item in seen],
        "hazards": [_hazard(hazard, last) for hazard in HAZARDS],
        "changes": [change(hazard, seen[-2] if len(seen) > 1 else None, last) for hazard in HAZARDS],
        "notes": _joined(last.storm),
        "features": changed_features(seen[-2].storm, last.storm) if len(seen) > 1 else [],
    }


def sightings(home: Home, region: Region, cycles: Sequence[CycleRow], storm_id: str) -> list[Seen]:
    """The storm in each of these cycles that has it, in their order; cycles whose tables have expired are left out."""
    found = []
    for cycle in cycles:
        try:
            storms, chances = tables_of(home, region, cycle)
        except ArchiveError:
            continue
        rows = _records(storms[storms["storm_id"] == storm_id])
        if rows:
            hour = first_hour(chances[chances["storm_id"] == storm_id])
            found.append(Seen(cycle.time, rows[0], {hazard: row for (_, hazard), row in hour.items()}))
    return found


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {**{str(key): value for key, value in row.items()}, "speed_m_s": speed_m_s(row)}
        for row in table.to_dict("records")
    ]


def _point(seen: Seen) -> dict[str, Any]:
    return {
        "time": iso(seen.time),
        "bjt": f"{beijing(seen.time):%H:%M}",
        **{name: plain(seen.storm[name]) for name in SERIES},
        "p": {hazard: plain(_p(seen, hazard)) for hazard in HAZARDS},
    }


def _p(seen: Seen, hazard: str) -> float:
    row = seen.chances.get(hazard)
    return math.nan if row is None else float(row["p"])


def _hazard(hazard: str, seen: Seen) -> dict[str, Any]:
    row = seen.chances.get(hazard, {})
    missing = list(row.get("inputs_missing", ()))
    return {
        "hazard": hazard,
        "p": plain(_p(seen, hazard)),
        "model": row.get("model", ""),
        "drivers_zh": list(row.get("drivers_zh", ())),
        "drivers_en": list(row.get("drivers", ())),
        "missing_zh": [_source_zh(name) for name in missing],
        "missing_en": [_source_en(name) for name in missing],
    }


def _source_zh(name: str) -> str:
    return SOURCES_ZH.get(name, name)


def _source_en(name: str) -> str:
    return SOURCES_EN.get(name, name)


def change(hazard: str, before: Seen | None, now: Seen) -> dict[str, Any]:
    """What the record says of a hazard's probability before and now.

    Returns:
        hazard, p_before, p_now; since: minutes between the two, None where no cycle before has the storm; title, and
        notes: a new model, inputs that came or went. Both as {zh, en}.
    """
    if before is None:
        return {"hazard": hazard, "since": None, "p_before": None, "p_now": plain(_p(now, hazard)),
                "title": _first(now), "notes": []}  # fmt: skip
    minutes = round((now.time - before.time) / timedelta(minutes=1))
    old, new = _p(before, hazard), _p(now, hazard)
    return {
        "hazard": hazard,
        "since": minutes,
        "p_before": plain(old),
        "p_now": plain(new),
        "title": _title(old, new, before.time, minutes),
        "notes": _notes(before.chances.get(hazard, {}), now.chances.get(hazard, {})),
    }


def _first(now: Seen) -> dict[str, str]:
    parents = [name for name in now.storm["parents"] if name != now.storm["storm_id"]]
    if parents:
        names = ", ".join(parents)
        return {"zh": f"本风暴由 {names} 分裂或合并而来，此前无同号记录可比", "en": f"split or merged out of {names}: "
                "nothing before under this id to compare with"}  # fmt: skip
    return {"zh": "近两小时内首次出现，无前一时次可比", "en": "first seen within two hours: no cycle before to compare"}


def _title(old: float, new: float, then: datetime, minutes: int) -> dict[str, str]:
    since_zh, since_en = (
        f"与 {beijing(then):%H:%M}（{minutes} 分钟前）相比",
        f"compared with {beijing(then):%H:%M} BJT, {minutes} min before",
    )
    if not math.isfinite(old) and not math.isfinite(new):
        return {"zh": f"{since_zh}：两个时次均未评估", "en": f"{since_en}: assessed in neither cycle"}
    if not math.isfinite(new):
        return {"zh": f"{since_zh}：由 {old:.0%} 变为未评估", "en": f"{since_en}: from {old:.0%} to not assessed"}
    if not math.isfinite(old):
        return {"zh": f"{since_zh}：此前未评估，现为 {new:.0%}", "en": f"{since_en}: not assessed then, now {new:.0%}"}
    if abs(new - old) < LEAST_P:
        return {"zh": f"{since_zh}：无变化，{new:.0%}", "en": f"{since_en}: unchanged, {new:.0%}"}
    zh, en = ("升", "rose") if new > old else ("降", "fell")
    return {"zh": f"{since_zh}：由 {old:.0%} {zh}至 {new:.0%}", "en": f"{since_en}: {en} from {old:.0%} to {new:.0%}"}


def _notes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, str]]:
    """What makes two probabilities hard to compare: another model, inputs that came or went."""
    notes = []
    if before.get("model") != now.get("model"):
        notes.append({
            "zh": f"模型更换：{before.get('model') or '无'} → {now.get('model') or '无'}，前后概率不可直接相比",
            "en": f"another model: {before.get('model') or 'none'} → {now.get('model') or 'none'}, the two "
            "probabilities do not compare directly",
        })  # fmt: skip
    then, today = (set(row.get("inputs_missing", ())) for row in (before, now))
    for names, zh, en in ((today - then, "新缺资料", "inputs lost"), (then - today, "资料恢复", "inputs back")):
        if names:
            notes.append({
                "zh": f"{zh}：{'、'.join(_source_zh(name) for name in sorted(names))}",
                "en": f"{en}: {', '.join(_source_en(name) for name in sorted(names))}",
            })  # fmt: skip
    return notes


def _joined(storm: Mapping[str, Any]) -> list[dict[str, str]]:
    names = ", ".join(name for name in storm["parents"] if name != storm["storm_id"])
    if not names:
        return []
    return [{"zh": f"本时次与 {names} 合并或由其分裂，数值可能跳变", "en": f"merged with or split from {names} in this "
             "cycle: its numbers may jump"}]  # fmt: skip


def changed_features(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The TOLD largest changes of a storm's numbers in STEPS, largest first; what appeared or went stands before."""
    found = []
    for name, step in STEPS.items():
        old, new = float(before[name]), float(now[name])
        if math.isfinite(old) and math.isfinite(new):
            size = abs(new - old) / step
        else:
            size = math.inf if math.isfinite(old) != math.isfinite(new) else 0.0
        if size >= LEAST_STEPS:
            found.append((size, name, old, new))
    found.sort(key=lambda item: -item[0])
    return [_told(name, old, new) for _, name, old, new in found[:TOLD]]


def _told(name: str, old: float, new: float) -> dict[str, Any]:
    feature = NAMES[name]
    return {
        "name": name,
        "zh": feature.zh,
        "en": feature.en,
        "old": _figure(old),
        "new": _figure(new),
        "unit_zh": UNITS_ZH.get(feature.units, f" {feature.units}"),
        "unit_en": UNITS_EN.get(feature.units, f" {feature.units}"),
        "up": None if not (math.isfinite(old) and math.isfinite(new)) else new > old,
    }


def _figure(value: float) -> str:
    """Three digits that count; "" where it is not known."""
    if not math.isfinite(value):
        return ""
    return f"{value:.1f}" if abs(value) >= 1 or value == 0 else f"{value:.2g}"

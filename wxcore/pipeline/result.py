"""What an ingest and a cycle give back, and the JSON that other programs may rely on (DESIGN.md section 2)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from wxcore.pipeline.picture import Bands
from wxcore.times import iso
from wxcore.warning.model import Warning

STORED, DUPLICATE, QUARANTINED = "stored", "duplicate", "quarantined"

MAX_GUSTS = 15
"""Stations that are told a cycle, strongest gust first; all of them are in the archive."""

STORM_KEYS = (
    "storm_id", "lat", "lon", "area_km2", "max_dbz", "vil_kg_m2", "vil_density_g_m3", "echo_top_18_km",
    "echo_top_45_km", "echo_top_50_km", "shi", "mesh_mm", "mesh75_mm", "mesh_lat", "mesh_lon", "mesh20_area_km2",
    "posh_percent", "h45_above_h0_km", "u_m_s", "v_m_s", "motion_sd_m_s", "age_min", "parents", "observed_fraction",
    "top18_open", "top18_above_h0_km", "velocity_fraction", "radial_wind_low_m_s", "wind_view", "marc_m_s",
    "azimuthal_shear_low_s1",
    "azimuthal_shear_mid_s1", "divergence_low_s1", "convergence_low_s1", "storm_top_divergence_m_s",
    "spectrum_width_low_m_s", "hail_size_class", "hdr_db", "zdr_column_km", "kdp_low_deg_km", "major_axis_km",
    "axis_ratio", "bow", "gust_front_km", "bt108_min_k", "bt108_change_15min_k", "wv_difference_max_k",
    "overshooting_tops", "satellite_age_min", "flash_rate_min", "flash_total", "flash_positive_fraction",
    "peak_current_ka", "lightning_jump_sigma", "lightning_jump", "stations_near", "gust_near_m_s",
    "gust_near_supported", "gust_near_witnesses", "pressure_jump_hpa", "temperature_drop_k", "theta_e_deficit_k",
)  # fmt: skip


@dataclass(frozen=True)
class Input:
    """One file that was offered: what became of it."""

    file: str
    sha256: str
    status: str
    reason: str = ""
    message_en: str = ""
    message_zh: str = ""
    kind: str = ""
    site: str = ""
    time: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The JSON keys of an input."""
        return {
            "file": self.file,
            "sha256": self.sha256,
            "status": self.status,
            "reason": self.reason,
            "message_en": self.message_en,
            "message_zh": self.message_zh,
            "site": self.site,
            "time": iso(self.time) if self.time else None,
        }


@dataclass(frozen=True)
class Picture:
    """A field drawn as a PNG over the region's grid (north up)."""

    title_en: str
    title_zh: str
    png: bytes
    bands: Bands


@dataclass(frozen=True)
class CycleResult:
    """Everything one cycle gave.

    Attributes:
        drafts: written by this cycle; active: all in force after it.
        withdrawn: ids of drafts that an earlier run of this cycle wrote and this one does not.
        quality: gates with echo by radar and by flag of the quality control.
        stations: one row a ground station (schema.STATION_TABLE); station_sources: what they came in, and flags.
        clouds: cloud cells (schema.CLOUD_CELLS); sources: satellites and lightning that were used, and their age.
        committed: false where the archive already held exactly this.
        reanalysis: run past the cut-off; no warning was entered or changed.
    """

    time: datetime
    notes_en: tuple[str, ...]
    notes_zh: tuple[str, ...]
    missing: tuple[str, ...]
    inputs: tuple[Input, ...]
    storms: pd.DataFrame
    probabilities: pd.DataFrame
    drafts: tuple[Warning, ...]
    withdrawn: tuple[str, ...]
    active: tuple[Warning, ...]
    levels: dict[str, Any]
    quality: dict[str, dict[str, int]]
    snapshot: str
    committed: bool
    truth: str
    reanalysis: bool = False
    clouds: pd.DataFrame = field(default_factory=pd.DataFrame)
    sources: tuple[dict[str, Any], ...] = ()
    stations: pd.DataFrame = field(default_factory=pd.DataFrame)
    station_sources: tuple[dict[str, Any], ...] = ()
    pictures: tuple[Picture, ...] = field(default=(), repr=False)

    @property
    def degraded(self) -> bool:
        """Was anything missing or of a lesser source?"""
        return bool(self.missing or self.notes_en)

    def to_json(self) -> dict[str, Any]:
        """One element of `cycles`."""
        return {
            "time": iso(self.time),
            "degraded": self.degraded,
            "notes": list(self.notes_en),
            "notes_zh": list(self.notes_zh),
            "missing": list(self.missing),
            "levels": self.levels,
            "quality": self.quality,
            "snapshot": self.snapshot,
            "committed": self.committed,
            "reanalysis": self.reanalysis,
            "inputs": [item.to_json() for item in self.inputs],
            "storms": [_storm_json(row) for row in self.storms.to_dict("records")],
            "probabilities": [_probability_json(row) for row in self.probabilities.to_dict("records")],
            "sky": list(self.sources),
            "clouds": [_cloud_json(row) for row in self.clouds.to_dict("records")],
            "stations": {
                "sources": list(self.station_sources),
                "gusts": [_station_json(row) for row in strongest(self.stations).to_dict("records")],
            },
            "drafts": [_draft_json(draft) for draft in self.drafts],
            "withdrawn": list(self.withdrawn),
        }


@dataclass(frozen=True)
class Failure:
    """A cycle that could not be run, and why."""

    time: datetime
    message_en: str
    message_zh: str

    def to_json(self) -> dict[str, Any]:
        """One element of `failures`."""
        return {"time": iso(self.time), "message_en": self.message_en, "message_zh": self.message_zh}


@dataclass(frozen=True)
class RunResult:
    """A run over files: the inputs in the order given, and its cycles in the order of time."""

    region: str
    inputs: tuple[Input, ...]
    cycles: tuple[CycleResult, ...]
    failures: tuple[Failure, ...] = ()
    report: str = ""

    @property
    def failed(self) -> bool:
        """Was any file refused, any cycle not run, or nothing usable?"""
        return not self.cycles or bool(self.failures) or any(item.status == QUARANTINED for item in self.inputs)

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "region": self.region,
            "report": self.report,
            "inputs": [item.to_json() for item in self.inputs],
            "failures": [failure.to_json() for failure in self.failures],
            "cycles": [cycle.to_json() for cycle in self.cycles],
        }


def plain(value: Any) -> Any:
    """A value as JSON has it: NaN and NaT become null, numbers plain and rounded, tuples lists."""
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, (str, bool)) or value is None:
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if isinstance(value, int) else round(number, 4)


def first_hour(probabilities: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of the 0 to 60 min window by (storm_id, hazard)."""
    hour = probabilities[(probabilities["lead_start_min"] == 0) & (probabilities["lead_end_min"] == 60)]
    return {(row["storm_id"], row["hazard"]): row for row in _records(hour)}


def speed_m_s(storm: Mapping[Any, Any]) -> float:
    """Speed of a storm [m s-1], NaN where its motion is unknown."""
    return math.hypot(storm["u_m_s"], storm["v_m_s"])


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def plain_record(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A table's row as JSON has it."""
    return {str(key): plain(value) for key, value in row.items()}


def _storm_json(row: dict[Any, Any]) -> dict[str, Any]:
    return {key: plain(row[key]) for key in STORM_KEYS}


def strongest(table: pd.DataFrame) -> pd.DataFrame:
    """The stations with the strongest gusts of the last hour, at most MAX_GUSTS, strongest first."""
    if table.empty:
        return table
    return table[table["gust_m_s"].notna()].sort_values("gust_m_s", ascending=False, kind="stable").head(MAX_GUSTS)


def _station_json(row: dict[Any, Any]) -> dict[str, Any]:
    named = ("time", "gust_time", "gust_30min_time")
    times = {name: None if pd.isna(row[name]) else iso(_aware(row[name])) for name in named}
    return plain_record({key: value for key, value in row.items() if key not in times}) | times


def _aware(time: pd.Timestamp) -> datetime:
    return datetime.fromtimestamp(time.timestamp(), tz=UTC)


def _cloud_json(row: dict[Any, Any]) -> dict[str, Any]:
    return plain_record({key: value for key, value in row.items() if key not in {"polygon", "time"}})


def _probability_json(row: dict[Any, Any]) -> dict[str, Any]:
    return {
        "storm_id": row["storm_id"],
        "hazard": row["hazard"],
        "lead_min": [int(row["lead_start_min"]), int(row["lead_end_min"])],
        "p": plain(row["p"]),
        "model": row["model"],
        "drivers": list(row["drivers"]),
        "drivers_zh": list(row["drivers_zh"]),
        "inputs_missing": list(row["inputs_missing"]),
    }


def _draft_json(draft: Warning) -> dict[str, Any]:
    return {
        "id": draft.id,
        "hazard": draft.hazard,
        "level": draft.level,
        "districts": list(draft.adcodes),
        "districts_zh": [place.name_zh for place in draft.districts],
        "districts_en": [place.name_en for place in draft.districts],
        "headline_zh": draft.headline_zh,
        "headline_en": draft.headline_en,
        "effective": iso(draft.effective),
        "expires": iso(draft.expires),
        "msg_type": draft.msg_type,
        "status": draft.status,
        "description_zh": draft.description_zh,
        "description_en": draft.description_en,
    }

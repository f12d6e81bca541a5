"""A small made-up region, storms and probabilities for the tests of this room."""

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
from shapely.geometry import Point, Polygon, box

from wxcore.grid import Grid
from wxcore.region import District, Issuer, RadarSite, Region, Town
from wxcore.region.rules import merged
from wxcore.warning.area import Touch
from wxcore.warning.model import Warning

RULES = Path(__file__).parent.parent.parent / "station_meta" / "rules" / "national.toml"
WHEN = datetime(2025, 6, 9, 10, 42, tzinfo=UTC)
NATIONAL = tomllib.loads(RULES.read_text(encoding="utf-8"))


def region(*, districts: bool = True, over: dict | None = None, name: str = "testland") -> Region:
    """Three districts of one degree side by side, 1 (west), 2, 3 (east): 28.6 to 29.8 N, from 105 E."""
    rows = tuple(
        District(
            adcode=f"50010{n}", name_zh=f"{zh}区", name_en=f"District {n}", lat=29.2, lon=104.5 + n,
            valid_from=date(1990, 1, 1), valid_to=None, polygon=box(104.0 + n, 28.6, 105.0 + n, 29.8),
        )
        for n, zh in ((1, "甲"), (2, "乙"), (3, "丙"))
    )  # fmt: skip
    radar = RadarSite("Z9999", "测试", "Test", 29.2, 106.0, 400.0, "SA", "S", date(1990, 1, 1), None, "made up")
    return Region(
        id=name, name_zh="测试地", name_en="Testland", grid=Grid(105.0, 28.0, 300, 250), radars=(radar,), satellites=(),
        districts=rows if districts else (), levels=(), rules=merged(NATIONAL, over or {}),
        issuer=Issuer("测试气象台", "Test Observatory", "wxcore-test@example.org", "500000"),
        timezone="Asia/Shanghai",
    )  # fmt: skip


def town(code: str, name: str, lon: float, lat: float = 29.2) -> Town:
    """A town of the district that its code begins with."""
    return Town(code, name, f"Town {code[6:9]}", lat, lon, code[:6], date(1990, 1, 1), None, "made up")


def storm(storm_id: str = "s1", lon: float = 105.5, lat: float = 29.2, *, radius: float = 0.05, **over: object) -> dict:
    row: dict[str, object] = {
        "storm_id": storm_id, "time": pd.Timestamp("2025-06-09T10:42"), "lat": lat, "lon": lon, "area_km2": 90.0,
        "polygon": Point(lon, lat).buffer(radius), "max_dbz": 58.0, "vil_kg_m2": 40.0, "vil_density_g_m3": 3.4,
        "echo_top_18_km": 13.0, "echo_top_45_km": 9.0, "echo_top_50_km": 8.0, "shi": 300.0, "mesh_mm": 44.0,
        "mesh75_mm": 49.0, "mesh_lat": lat, "mesh_lon": lon, "mesh20_area_km2": 40.0, "posh_percent": 70.0,
        "h45_above_h0_km": 4.2, "u_m_s": 10.0, "v_m_s": 0.0, "motion_sd_m_s": 2.0, "age_min": 30.0, "parents": (),
        "observed_fraction": 1.0,
    }  # fmt: skip
    return row | over


def chance(storm_id: str, hazard: str, p: float, start: int = 0, end: int = 60) -> dict:
    return {
        "storm_id": storm_id, "hazard": hazard, "lead_start_min": start, "lead_end_min": end, "p": p,
        "model": "baseline-1", "drivers": ("MESH 44 mm",), "drivers_zh": ("MESH 44毫米",),
    }  # fmt: skip


def tables(storms: list[dict], chances: list[dict]) -> tuple[pd.DataFrame, pd.DataFrame]:
    return (
        pd.DataFrame(storms, columns=list(storm())),
        pd.DataFrame(chances, columns=list(chance("", "", 0.0))),
    )


def by_id(warnings: list[Warning]) -> dict[tuple[str, str], Warning]:
    return {(warning.hazard, warning.level): warning for warning in warnings}


def touches_of(found: list[Touch]) -> list[tuple[str, str]]:
    return [(touch.storm_id, touch.adcode) for touch in found]


SQUARE = Polygon([(106.0, 29.0), (106.2, 29.0), (106.2, 29.2), (106.0, 29.2)])

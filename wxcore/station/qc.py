"""Quality control of station observations: flags and why; values are never changed (DOMAIN.md 2.6, after Titanlib)."""

from typing import Any

import numpy as np
import xarray as xr

from wxcore.schema import QC_BAD, QC_GOOD, QC_MISSING, QC_REASONS, QC_SUSPECT, REASON, REPORT, qc_name, reason_name
from wxcore.station.evidence import Evidence, nothing_seen
from wxcore.station.neighbours import Network, network
from wxcore.station.qc_outflow import (
    COLD_POOL_MIN,
    KINDS_TO_CLEAR,
    NEIGHBOUR_KM,
    PLAUSIBLE,
    Cases,
    Signals,
    kinds_of_support,
    signals,
)
from wxcore.station.qc_point import (
    PERSISTENCE_MIN,
    STEP_LIMITS,
    STILL,
    check_internal,
    check_provider,
    check_range,
    find_frozen,
    find_steps,
)
from wxcore.station.qc_sheet import (
    GUST,
    GUST_WITNESSES,
    PRESSURE,
    RAIN,
    RAIN_1MIN,
    WIND,
    WIND_10MIN,
    Floats,
    Mask,
    Sheet,
    sheet_of,
)
from wxcore.station.qc_spatial import SPATIAL, check_field, reduced_pressure
from wxcore.station.qc_witness import gust_age, strongest_good, witnesses

ISOLATED_WIND = 13.9
"""Gust or mean wind [m/s] from which somebody else must speak for it: 7 Bft, below any warning [our choice]."""
NEIGHBOURS_ASKED = 3
ISOLATED_RAIN: dict[str, tuple[float, float]] = {RAIN: (20.0, 1.0), RAIN_1MIN: (2.0, 0.1)}
"""Rain [mm] that is suspect where radar looks and sees no echo, and every neighbour has less than the second number
[our choice]: a shower is small, so that neighbours alone prove nothing."""
DRY_DBZ = 20.0


def quality_control(obs: xr.Dataset, evidence: Evidence | None = None, *, spatial_minutes: int = 6) -> xr.Dataset:
    """Flag every element of every report.

    Args:
        obs: elements of schema.ELEMENTS as (time, station) in their units, a row a minute; coordinates lat, lon,
            elevation and, where known, barometer and moved; `<element>_provider`, gust_time and gust_earliest where
            known. More minutes before the newest make better judgement: an hour for frozen sensors.
        evidence: what radar and lightning saw; None: nobody looked.
        spatial_minutes: the checks against neighbours are made for so many last minutes.

    Returns:
        The same with `<element>_qc` u1 (QC_GOOD, QC_SUSPECT, QC_BAD; QC_MISSING exactly where the value is NaN) and
        `<element>_qc_reason` u2, bits of schema.QC_REASONS. A direction that is missing in a wind keeps its bit. And
        `gust_witnesses` (time, station) f4: how many of sky, neighbours and own air speak for the gust (qc_witness), 0
        where the gust itself is not good; NaN: no gust, one below ISOLATED_WIND, or nobody to ask.

    Raises:
        ValueError: evidence is not of these stations.
    """
    sheet = sheet_of(obs)
    stations = network(obs["lat"].values, obs["lon"].values, sheet.elevation)
    seen = evidence or nothing_seen(sheet.elevation.size)
    if seen.max_dbz.size != sheet.elevation.size:
        raise ValueError(f"evidence of {seen.max_dbz.size} stations for observations of {sheet.elevation.size}")
    told = np.full((sheet.minute.size, sheet.elevation.size), np.nan, "f4")
    if told.size:
        check_range(sheet)
        check_provider(sheet, obs)
        check_internal(sheet, obs)
        own = _check_steps(sheet, seen, stations)
        _check_frozen(sheet, stations)
        _check_space(sheet, own, seen, stations, spatial_minutes)
        _check_rain(sheet, seen, stations)
        if "moved" in obs.coords and obs["moved"].values.any():
            moved = np.broadcast_to(obs["moved"].values.astype("?"), (sheet.minute.size, sheet.elevation.size))
            for name in sheet.values:
                sheet.mark(name, moved, QC_SUSPECT, "moved_station")
        told = _check_wind(sheet, obs, seen, stations)
    return _with_flags(obs, sheet, told)


def _check_steps(sheet: Sheet, seen: Evidence, stations: Network) -> Signals:
    """Steps of all elements; those that THE RULE of qc_outflow clears are good. Returns the stations' own signals."""
    steps = {name: find_steps(sheet, name) for name in STEP_LIMITS if name in sheet.values}
    for name, (level, _, spike) in steps.items():
        if spike.any():
            sheet.mark(name, spike, QC_SUSPECT, "step")
            sheet.mark(name, spike & (level == QC_BAD), QC_BAD, "step")
            sheet.values[name][spike] = np.nan
    own = signals(sheet)
    for name, (level, jump, spike) in steps.items():
        if not level.any():
            continue
        rows, columns = np.nonzero(~spike & (level > 0))
        size = jump[rows, columns]
        kinds = kinds_of_support(sheet, own, seen, stations, name, Cases(rows, columns, np.sign(size)))
        kinds[np.abs(size) > PLAUSIBLE[name]] = 0
        _settle(sheet, name, (rows, columns), level[rows, columns], kinds, np.full(rows.size, REASON["step"], "u2"))
    for name, (level, _, _) in steps.items():
        if level.any():
            sheet.values[name][sheet.level[name] == QC_BAD] = np.nan
    return own


def _settle(
    sheet: Sheet, name: str, where: tuple[np.ndarray, np.ndarray], level: np.ndarray, kinds: np.ndarray,
    reason: np.ndarray,
) -> None:  # fmt: skip
    """Write failures: cleared with KINDS_TO_CLEAR kinds of support, suspect with one, as they are with none."""
    level = np.where(kinds >= KINDS_TO_CLEAR, QC_GOOD, np.where(kinds > 0, np.minimum(level, QC_SUSPECT), level))
    bits = np.where(kinds >= KINDS_TO_CLEAR, REASON["step_cleared"], reason).astype("u2")
    sheet.level[name][where] = np.maximum(sheet.level[name][where], level.astype("u1"))
    sheet.reason[name][where] |= bits


def _check_frozen(sheet: Sheet, stations: Network) -> None:
    hour = sheet.minute >= sheet.minute[-1] - PERSISTENCE_MIN
    for name, stuck in find_frozen(sheet).items():
        columns = np.flatnonzero(stuck.any(axis=0))
        if not columns.size:
            continue
        if name in STILL:
            values = sheet.values[name][hour]
            spread = np.fmax.reduce(values) - np.fmin.reduce(values)
            around = np.where(_within(stations, columns), spread[stations.near[columns]], np.nan)
            asked = np.isfinite(around).sum(axis=1) >= NEIGHBOURS_ASKED
            median = np.full(columns.size, np.inf)
            median[asked] = np.nanmedian(around[asked], axis=1)
            stuck[:, columns[median < STILL[name][1]]] = False
        sheet.mark(name, stuck, QC_SUSPECT, "persistence")


def _within(stations: Network, columns: np.ndarray) -> Mask:
    """(column, NEAREST): the neighbour stands within NEIGHBOUR_KM."""
    return np.asarray((stations.near[columns] >= 0) & (stations.km[columns] <= NEIGHBOUR_KM))


def _check_space(sheet: Sheet, own: Signals, seen: Evidence, stations: Network, minutes: int) -> None:
    """Buddy check and spatial consistency test of the last minutes; a cold pool is cleared by THE RULE."""
    for row in range(max(sheet.minute.size - minutes, 0), sheet.minute.size):
        for name in SPATIAL:
            if name not in sheet.values:
                continue
            usable = (sheet.level[name][row] == QC_GOOD) & np.isfinite(sheet.values[name][row])
            if not usable.any():
                continue
            values = np.where(usable, sheet.values[name][row], np.nan)
            found = check_field(name, reduced_pressure(sheet, row, usable) if name == PRESSURE else values, stations)
            columns = np.flatnonzero(found.level)
            rows = np.full(columns.size, row)
            cases = Cases(rows, columns, np.zeros(columns.size, "f4"))
            kinds = kinds_of_support(sheet, own, seen, stations, name, cases, back=COLD_POOL_MIN)
            kinds[np.abs(found.off[columns]) > PLAUSIBLE[name]] = 0
            _settle(sheet, name, (rows, columns), found.level[columns], kinds, found.reason[columns])


def _check_rain(sheet: Sheet, seen: Evidence, stations: Network) -> None:
    """Much rain under no echo with dry neighbours is suspect; never bad."""
    for name, (much, dry) in ISOLATED_RAIN.items():
        if name not in sheet.values:
            continue
        values = sheet.values[name]
        clear = seen.max_dbz < DRY_DBZ
        columns = np.flatnonzero((np.fmax.reduce(values) >= much) & clear)
        most = np.fmax.reduce(values)
        around = np.where(_within(stations, columns), most[stations.near[columns]], np.nan)
        alone = (np.isfinite(around).sum(axis=1) >= NEIGHBOURS_ASKED) & ~(around >= dry).any(axis=1)
        where = np.zeros(values.shape, "?")
        where[:, columns[alone]] = values[:, columns[alone]] >= much
        sheet.mark(name, where, QC_SUSPECT, "buddy")


def _check_wind(sheet: Sheet, obs: xr.Dataset, seen: Evidence, stations: Network) -> Floats:
    """A strong wind without a witness, or for which nobody can be asked, is suspect; never bad. Returns the witnesses
    of gusts (time, station), see `quality_control`."""
    told = np.full((sheet.minute.size, sheet.elevation.size), np.nan, "f4")
    strongest = strongest_good(sheet)
    for name in (GUST, WIND, WIND_10MIN):
        if name not in sheet.values:
            continue
        rows, columns = np.nonzero(sheet.values[name] >= ISOLATED_WIND)
        if not rows.size:
            continue
        age = gust_age(obs, rows, columns) if name == GUST else np.zeros(rows.size)
        cases = rows, columns, sheet.values[name][rows, columns]
        found = witnesses(sheet, strongest, seen, stations, cases, age)
        alone = np.zeros(told.shape, "?")
        alone[rows, columns] = ~(found >= 1)
        sheet.mark(name, alone, QC_SUSPECT, "isolated_gust")
        if name == GUST:
            told[rows, columns] = found
    if GUST in sheet.values:
        np.minimum(told, 0, out=told, where=sheet.level[GUST] != QC_GOOD)
    return told


def _with_flags(obs: xr.Dataset, sheet: Sheet, told: Floats) -> xr.Dataset:
    flags = {"flag_values": np.array([QC_GOOD, QC_SUSPECT, QC_BAD, QC_MISSING], "u1"),
             "flag_meanings": "good suspect bad missing"}  # fmt: skip
    bits = {"flag_masks": np.array([bit for bit, _ in QC_REASONS], "u2"),
            "flag_meanings": " ".join(word for _, word in QC_REASONS)}  # fmt: skip
    added: dict[str, Any] = {GUST_WITNESSES: (REPORT, told, {"long_name": "independent witnesses of the gust"})}
    for name, level in sheet.level.items():
        with np.errstate(invalid="ignore"):
            missing = np.isnan(obs[name].values)
        level[missing] = QC_MISSING
        sheet.reason[name][missing] &= REASON["internal"]
        added[qc_name(name)] = (REPORT, level, flags)
        added[reason_name(name)] = (REPORT, sheet.reason[name], bits)
    return obs.assign(added)

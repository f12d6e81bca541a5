"""What one station's own reports say against themselves: range, provider, internal consistency, step, persistence."""

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.schema import ELEMENTS, QC_BAD, QC_SUSPECT, REASON
from wxcore.station.qc_kernels import frozen, step
from wxcore.station.qc_sheet import (
    DEW_POINT,
    DIRECTION,
    DIRECTION_10MIN,
    GUST,
    HUMIDITY,
    PRESSURE,
    RAIN,
    RAIN_1MIN,
    SEA_LEVEL,
    TEMPERATURE,
    WIND,
    WIND_10MIN,
    Mask,
    Sheet,
)

Floats = npt.NDArray[np.float32]

STANDARD_SUSPECT_HPA, STANDARD_BAD_HPA = 30.0, 60.0
"""Station pressure against the standard atmosphere at the barometer: suspect beyond 30 (DOMAIN.md 2.6), bad beyond 60
[our choice: a typhoon's eye and a Siberian high are real]."""
DEW_POINT_EXCESS_K = 0.2
"""How far dew point may be above temperature: rounding, and the difference of two instruments [our choice]."""
HUMIDITY_OFF, HUMIDITY_OFF_FROST = 10.0, 25.0
"""Reported humidity against that of T and Td [%]; below 0 C the source may mean the frost point [our choice]."""
VANE_SPEED = 0.2
"""Wind [m/s] above which a station that has a vane gives a direction (DOMAIN.md 2.6)."""
GUST_SHARE, GUST_SLACK = 0.9, 0.5
"""Gust below share x mean - slack [m/s] is inconsistent: the two may cover different minutes [our choice]."""
RAIN_SLACK_MM = 0.2
STEP_LIMITS: dict[str, tuple[float, float]] = {
    TEMPERATURE: (3, 10), DEW_POINT: (3, 10), HUMIDITY: (10, 15), PRESSURE: (0.5, 2), SEA_LEVEL: (0.5, 2),
    WIND: (10, 20), WIND_10MIN: (10, 20),
}  # fmt: skip
"""Change within a minute, suspect and bad (DOMAIN.md 2.6, WMO-No. 8 [M]); dew point as temperature, 10-minute wind as
that of 2 minutes [our choice]."""
PERSISTENCE_MIN, PERSISTENCE_REPORTS = 60, 6
"""Reports that stand still for so long, and at least so many of them, come from a frozen sensor (DOMAIN.md 2.6)."""
RUNNING_MIN = 66
"""The same for gust and rain [our choice]: a largest gust since the full hour stands still for up to an hour."""
SAME = 0.005
"""Range of a frozen sensor: the very same number. DOMAIN.md 2.6 says < 0.1, which is that for reports in tenths; in the
hundredths of the West Texas Mesonet 2.5 % of all sane dew points keep within 0.1 for an hour (measured)."""
STILL: dict[str, tuple[float, float]] = {
    TEMPERATURE: (np.inf, 0.3), DEW_POINT: (np.inf, 0.3), HUMIDITY: (95, 3), PRESSURE: (np.inf, 0.3),
    SEA_LEVEL: (np.inf, 0.3),
}  # fmt: skip
"""The value from which a sensor may stand still (fog), and the range in the hour that its neighbours' median must have
to say that the air did not [our choice]."""
CALM, STILL_WIND, STILL_DIRECTION, SAME_WIND = 1.0, 0.5, 10.0, 0.05
"""Wind [m/s] that may stand still; frozen: speed within 0.5 and direction within 10 deg (DOMAIN.md 2.6), or the very
same speed, or the very same direction in a wind that changes by STUCK_VANE_SPEED [our choice]."""
STUCK_VANE_SPEED = 1.5
DENSE_REPORTS = 30
"""Reports in the hour for which the rule of 0.5 m/s and 10 deg holds: means of 5 minutes are smoother [our choice]."""
CALM_GUST = 2.0


def check_range(sheet: Sheet) -> None:
    """Limits of schema.ELEMENTS, and pressure against the standard atmosphere. Infinite is out of range."""
    for element in ELEMENTS:
        if element.name in sheet.values:
            values = sheet.values[element.name]
            sheet.mark(element.name, (values < element.lowest) | (values > element.highest), QC_BAD, "range")
    if PRESSURE in sheet.values:
        with np.errstate(invalid="ignore"):
            off = np.abs(sheet.values[PRESSURE] - standard_pressure(sheet.barometer)[None, :])
        sheet.mark(PRESSURE, off > STANDARD_SUSPECT_HPA, QC_SUSPECT, "range")
        sheet.mark(PRESSURE, off > STANDARD_BAD_HPA, QC_BAD, "range")


def standard_pressure(height: Floats) -> Floats:
    """Pressure [hPa] of the standard atmosphere (ISO 2533) at (station,) m; NaN unknown or above 11 km."""
    with np.errstate(invalid="ignore"):
        base = np.where(np.abs(height) < 11000, 1 - 2.25577e-5 * height, np.nan)
    return np.asarray(1013.25 * base**5.25588, "f4")


def check_provider(sheet: Sheet, obs: xr.Dataset) -> None:
    """What the provider doubts is suspect at least; what it praises may still be bad."""
    for name in sheet.values:
        if f"{name}_provider" in obs:
            verdict = obs[f"{name}_provider"].values
            sheet.mark(name, (verdict == QC_SUSPECT) | (verdict == QC_BAD), QC_SUSPECT, "provider")


def check_internal(sheet: Sheet, obs: xr.Dataset) -> None:
    """Elements of one report against each other. Which of two is wrong is not known: both are suspect."""
    temperature, dew_point, humidity = sheet.of(TEMPERATURE), sheet.of(DEW_POINT), sheet.of(HUMIDITY)
    _suspect(sheet, dew_point > temperature + np.float32(DEW_POINT_EXCESS_K), TEMPERATURE, DEW_POINT)
    if {TEMPERATURE, DEW_POINT, HUMIDITY} <= sheet.values.keys():
        with np.errstate(all="ignore"):
            implied = 100 * np.exp(_magnus(dew_point) - _magnus(temperature))
        allowed = np.where(dew_point < 0, np.float32(HUMIDITY_OFF_FROST), np.float32(HUMIDITY_OFF))
        _suspect(sheet, np.abs(implied - humidity) > allowed, DEW_POINT, HUMIDITY)
    _check_gust(sheet, obs)
    if RAIN in sheet.values:
        _suspect(sheet, sheet.of(RAIN_1MIN) > sheet.of(RAIN) + np.float32(RAIN_SLACK_MM), RAIN_1MIN, RAIN)
    for speed, direction in ((WIND, DIRECTION), (WIND_10MIN, DIRECTION_10MIN)):
        if direction in sheet.values:
            given = np.isfinite(sheet.of(direction))
            without = (sheet.of(speed) > VANE_SPEED) & ~given & given.any(axis=0)
            np.bitwise_or(sheet.reason[direction], REASON["internal"], out=sheet.reason[direction], where=without)


def _check_gust(sheet: Sheet, obs: xr.Dataset) -> None:
    if GUST not in sheet.values:
        return
    gust, times = sheet.of(GUST), obs["time"].values[:, None]
    _suspect(sheet, gust < GUST_SHARE * sheet.of(WIND) - GUST_SLACK, GUST, WIND)
    if "gust_earliest" in obs and WIND_10MIN in sheet.values:
        covers = obs["gust_earliest"].values <= times - np.timedelta64(10, "m")
        _suspect(sheet, covers & (gust < GUST_SHARE * sheet.of(WIND_10MIN) - GUST_SLACK), GUST, WIND_10MIN)
    if "gust_time" in obs:
        blew = obs["gust_time"].values
        late, early = blew > times + np.timedelta64(1, "m"), blew < times - np.timedelta64(61, "m")
        sheet.mark(GUST, (late | early) & np.isfinite(gust), QC_SUSPECT, "internal")


def _suspect(sheet: Sheet, where: Mask, *elements: str) -> None:
    for element in elements:
        if element in sheet.values:
            sheet.mark(element, where, QC_SUSPECT, "internal")


def _magnus(temperature: Floats) -> Floats:
    """Logarithm of the saturation vapour pressure over water, but for a constant (Bolton 1980)."""
    return np.asarray(17.67 * temperature / (temperature + np.float32(243.5)))


def find_steps(sheet: Sheet, element: str) -> tuple[npt.NDArray[np.uint8], Floats, Mask]:
    """(time, station): 0, 1 suspect, 2 bad; the jump; and whether it is a spike that came back. See qc_kernels.step."""
    values = sheet.values[element]
    level, jump, spike = np.zeros(values.shape, "u1"), np.zeros(values.shape, "f4"), np.zeros(values.shape, "?")
    step(values, sheet.minute, np.array(STEP_LIMITS[element], "f4"), level, jump, spike)
    return level, jump, spike


def find_frozen(sheet: Sheet) -> dict[str, Mask]:
    """Element -> (time, station), where it stands still as no sensor does that lives."""
    if not sheet.minute.size or sheet.minute[-1] < PERSISTENCE_MIN:
        return {}
    found = {}
    for element, (saturated, _) in STILL.items():
        if element in sheet.values:
            found[element] = _still(sheet, element, SAME, highest=saturated)
    for speed, direction in ((WIND, DIRECTION), (WIND_10MIN, DIRECTION_10MIN)):
        if speed not in sheet.values:
            continue
        found[speed] = _still(sheet, speed, SAME_WIND, calm=CALM)
        if direction in sheet.values:
            both = _still(sheet, speed, STILL_WIND, calm=CALM, reports=DENSE_REPORTS)
            both &= _still(sheet, direction, STILL_DIRECTION, reports=DENSE_REPORTS)
            found[speed] |= both
            found[direction] = both | (_still(sheet, direction, SAME) & _varies(sheet.of(speed))[None, :])
    for element, calm in ((GUST, CALM_GUST), (RAIN, 0.0), (RAIN_1MIN, 0.0)):
        if element in sheet.values:
            found[element] = _still(sheet, element, SAME, calm=calm, minutes=RUNNING_MIN)
    return found


def _varies(speed: Floats) -> Mask:
    """(station,): the wind changes enough for its direction to change."""
    return np.asarray(np.fmax.reduce(speed) - np.fmin.reduce(speed) >= STUCK_VANE_SPEED)


def _still(
    sheet: Sheet, element: str, still: float, *, calm: float = -np.inf, highest: float = np.inf,
    minutes: int = PERSISTENCE_MIN, reports: int = PERSISTENCE_REPORTS,
) -> Mask:  # fmt: skip
    values = sheet.values[element]
    stuck = np.zeros(values.shape, "?")
    columns = np.flatnonzero(_may_be_still(sheet, values, still))
    if columns.size:
        found = np.zeros((len(values), columns.size), "?")
        rule, turns = np.array([still, minutes, calm, highest], "f4"), element in {DIRECTION, DIRECTION_10MIN}
        frozen(np.ascontiguousarray(values[:, columns]), sheet.minute, rule, reports, turns, found)
        stuck[:, columns] = found
    return stuck


def _may_be_still(sheet: Sheet, values: Floats, still: float) -> Mask:
    """(station,): stands still through a whole block of half an hour, as a frozen sensor must; leaves most out."""
    half = PERSISTENCE_MIN // 2
    if sheet.minute[-1] != len(values) - 1:
        return np.ones(values.shape[1], "?")
    blocks = values[: len(values) // half * half].reshape(-1, half, values.shape[1])
    spread = np.fmax.reduce(blocks, axis=1) - np.fmin.reduce(blocks, axis=1)
    moves = (spread >= still) & (spread <= 360 - still)
    return np.asarray(~moves.all(axis=0))

"""MICAPS diamonds 1 (surface), 2 (upper air), 3 (any element) and 8 (city forecasts): a row a station.

Columns of diamond 1, 0-based (MICAPS 3 manual, A1.1; what the 6,644 rows of 20032714.000 bear out is marked [V]):
0 id, 1 lon, 2 lat, 3 elevation [m] [V], 4 zoom level, 5 total cloud [tenths], 6 wind direction [deg] [V], 7 wind speed
[m/s] [V], 8 pressure at mean sea level [0.1 hPa, leading 9 or 10 dropped] [V], 9 its change in 3 h,
10 and 11 past weather, 12 precipitation of 6 h [mm], 13 low cloud's kind, 14 its amount, 15 its height [m], 16 dew
point [degC] [V], 17 visibility [km], 18 present weather [V], 19 temperature [degC] [V], 20 and 21 kind of middle and
high cloud, 22 and 23 flags; where they are 1 and 2, 24 and 25 changes of temperature and pressure in 24 h.

Precipitation is of 6 hours, so no `precipitation_1h` is made of it. Diamonds 2 and 8 never met a real file.
"""

import re
from dataclasses import replace
from typing import Any

import numpy as np

from wxcore import schema
from wxcore.station import reports
from wxcore.station.micaps_rows import Plot, Table, describe_plot, make_plot, scatter, table
from wxcore.station.micaps_text import MARK, NAME, Text, recogniser
from wxcore.station.reports import Floats, Reports
from wxcore.times import BEIJING, from_datetime64, to_datetime64

MOST_ROWS = 10**8
"""Largest count that a header may tell; nothing is allocated by it."""

PRESSURE, DIRECTION, SPEED, DEW_POINT, WEATHER, TEMPERATURE = 8, 6, 7, 16, 18, 19

CODE_TURNS, CODE_SURE = 500, 600
"""Three digits of pressure below the first are 1000 hPa and more, from the second on less than 1000 hPa. Between them
1050 to 1060 and 950 to 960 hPa have the same code: such a value is left out [our choice; none in the real file]."""

UPPER_AIR = ("height", "temperature", "dew_point_depression", "wind_from_direction", "wind_speed")
"""Columns 5 to 9 of diamond 2 [M]: dagpm, degC, K, deg, m/s."""

FORECAST = (
    "weather_1", "wind_direction_1", "wind_force_1", "lowest_temperature", "highest_temperature", "weather_2",
    "wind_direction_2", "wind_force_2",
)  # fmt: skip
"""Columns 4 to 11 of diamond 8 [M]: codes of weather and wind of the first and second half, degC."""

_DATE = re.compile(r"(?:\d{2,4}年)?\d{1,2}月\d{1,2}日\d{1,2}[时点](?:\d{1,2}分)?|\d{10}(?:\d\d){0,2}(?![\d小])|\s")
"""A date with its hour; without the hour (2017年3月气温) the value is a mean, so it is left in and nothing matches."""

_WHERE = re.compile(r"自动站?|区域站?|国家站?|全国|地面|实况|观测|数据|填图")
ELEMENT_OF_TITLE = {
    "气温": "air_temperature", "露点": "dew_point_temperature", "露点温度": "dew_point_temperature",
    "相对湿度": "relative_humidity", "海平面气压": "air_pressure_at_mean_sea_level", "本站气压": "air_pressure",
    "1小时降水": "precipitation_1h", "1小时降水量": "precipitation_1h", "1小时雨量": "precipitation_1h",
    "小时极大风速": "wind_speed_of_gust", "1小时极大风速": "wind_speed_of_gust",
}  # fmt: skip
"""Titles of diamond 3, date and words of place taken off, that can mean but one element [our choice]. Everything else
(最高气温, 24小时降水, 极大风速 of nobody knows how many hours) is a product."""


def read_surface(data: bytes, name: str) -> Reports:
    """Diamond 1: reports of one hour, in UTC.

    Of a calm wind the direction is NaN. The wind is that of 10 minutes (WMO-No. 306, FM 12: ff). Present weather 0 is
    NaN: every row has it, those of buoys too; over 99 are codes of table 4680 (automatic stations), NaN too.

    Raises:
        ReadError: BAD_HEADER, EMPTY, BAD_VALUE, TRUNCATED; LimitError: TOO_LARGE.
    """
    text = Text(data, name)
    when, remarks = text.observed()
    rows = table(text, [24, 26], text.count("number of rows", MOST_ROWS))
    pressure, unsure = _pressure(rows.numbers(PRESSURE))
    if unsure:
        remarks = (*remarks, f"{unsure} codes of pressure left out: they are not three digits, or have two meanings")
    direction, speed, weather = rows.numbers(DIRECTION), rows.numbers(SPEED), rows.numbers(WEATHER)
    values = {
        "air_pressure_at_mean_sea_level": pressure,
        "air_temperature": rows.numbers(TEMPERATURE),
        "dew_point_temperature": rows.numbers(DEW_POINT),
        "wind_speed_10min": speed,
        "wind_from_direction_10min": np.where(speed == 0, np.float32(np.nan), direction),
        "present_weather": np.where((weather > 0) & (weather < 100), weather, np.float32(np.nan)),
    }
    return _reports(text, rows, values, to_datetime64(when), remarks)


def _pressure(code: Floats) -> tuple[Floats, int]:
    """Last three digits of tenths of hPa to hPa (117 -> 1011.7, 983 -> 998.3), and how many could not be told."""
    whole = code % 1 == 0
    low, high = whole & (code >= 0) & (code < CODE_TURNS), whole & (code >= CODE_SURE) & (code < 1000)
    value = np.where(low, 1000 + code / 10, np.where(high, 900 + code / 10, np.nan)).astype(np.float32)
    return value, int((~np.isnan(code) & ~low & ~high).sum())


def _reports(
    text: Text, rows: Table, values: dict[str, Floats], time: np.datetime64, remarks: tuple[str, ...]
) -> Reports:
    size = rows.station.size
    return Reports(
        f"micaps-{text.diamond}", f"MICAPS {text.title}", rows.station, np.full(size, time, "datetime64[ns]"), rows.lat,
        rows.lon, rows.elevation, {key: column for key, column in values.items() if not np.isnan(column).all()},
        np.full(size, "NaT", "datetime64[ns]"), rejected=rows.rejected, simulated=text.simulated,
        remarks=remarks + rows.remarks,
    )  # fmt: skip


def read_scatter(data: bytes, name: str) -> Reports | Plot:
    """Diamond 3: reports where its title can mean but one element, else a product or a station list. A name with a
    lead time behind its dot (17011418.024) is that of a forecast.

    Raises:
        ReadError: BAD_HEADER, EMPTY, BAD_VALUE, TRUNCATED; LimitError: TOO_LARGE.
    """
    plot = scatter(Text(data, name))
    hours = float(name[-3:]) if NAME.match(name) else 0.0
    if hours:
        return replace(plot, hours=hours, remarks=(*plot.remarks, f"a forecast of {hours:g} h, by its name"))
    element = element_of(plot.title)
    if not element or plot.stations_only or list(plot.values) != ["value"]:
        return plot
    size = plot.station.size
    return Reports(
        plot.format, f"MICAPS {plot.title}", plot.station,
        np.full(size, to_datetime64(plot.time), "datetime64[ns]"), plot.lat, plot.lon, plot.elevation,
        {element: plot.values["value"]}, np.full(size, "NaT", "datetime64[ns]"), rejected=plot.rejected,
        simulated=plot.simulated, remarks=plot.remarks,
    )  # fmt: skip


def element_of(title: str) -> str:
    """The element that a title of diamond 3 means, "" where it does not tell for certain."""
    return ELEMENT_OF_TITLE.get(_WHERE.sub("", _DATE.sub("", title.split("wxcore", maxsplit=1)[0])), "")


def describe(native: Any) -> schema.Description:
    """Of Reports or of a Plot."""
    return reports.describe(native) if isinstance(native, Reports) else describe_plot(native)


def read_upper_air(data: bytes, name: str) -> Plot:
    """Diamond 2: one level of soundings. Header: date, hour, level [hPa], number of stations [M].

    Raises:
        ReadError: BAD_HEADER, EMPTY, BAD_VALUE, TRUNCATED; LimitError: TOO_LARGE.
    """
    text = Text(data, name)
    when, remarks = text.observed()
    level = text.number("level")
    rows = table(text, [10], text.count("number of rows", MOST_ROWS))
    values = {key: rows.numbers(5 + column) for column, key in enumerate(UPPER_AIR)}
    return make_plot(text, rows, values, when, level=level, remarks=(*remarks, UNVERIFIED))


def read_forecast(data: bytes, name: str) -> Plot:
    """Diamond 8: forecasts of cities. Header: date, hour, lead time [h], number of stations [M].

    Raises:
        ReadError: BAD_HEADER, EMPTY, BAD_VALUE, TRUNCATED; LimitError: TOO_LARGE.
    """
    text = Text(data, name)
    when, remarks = text.observed()
    hours = text.number("lead time")
    rows = table(text, [12], text.count("number of rows", MOST_ROWS))
    values = {key: rows.numbers(4 + column) for column, key in enumerate(FORECAST)}
    return make_plot(text, rows, values, when, hours=hours, remarks=(*remarks, UNVERIFIED))


UNVERIFIED = "its layout is known from the manual only: no real file was read"


def write_surface(native: Reports) -> bytes:
    """Reports of one hour as diamond 1 (24 columns): tenths of degC, whole degrees and tenths of m/s, tenths of hPa
    from 960.0 to 1049.9. A simulated one says so in its title.

    Raises:
        ValueError: several times, or not a full hour.
    """
    lines = []
    for row, station in enumerate(native.station):
        cells = ["9999"] * 24
        cells[:5] = [str(station), *_place(native, row), "1"]
        cells[10], cells[11], cells[WEATHER] = "0", "0", "0"
        for column, key, form in (
            (DIRECTION, "wind_from_direction_10min", "{:.0f}"), (SPEED, "wind_speed_10min", "{:.1f}"),
            (DEW_POINT, "dew_point_temperature", "{:.1f}"), (TEMPERATURE, "air_temperature", "{:.1f}"),
            (WEATHER, "present_weather", "{:.0f}"),
        ):  # fmt: skip
            value = native.values[key][row] if key in native.values else np.nan
            if not np.isnan(value):
                cells[column] = form.format(value)
        pressure = native.values.get("air_pressure_at_mean_sea_level")
        tenths = round(float(pressure[row]) * 10) if pressure is not None and not np.isnan(pressure[row]) else 0
        if 9000 + CODE_SURE <= tenths < 10_000 + CODE_TURNS:
            cells[PRESSURE] = f"{tenths % 1000:03d}"
        lines.append(" ".join(cells))
    return _write(native, 1, f"{native.station.size}", lines)


def write_scatter(native: Reports | Plot) -> bytes:
    """Stations and their values as diamond 3, all of one full hour; a simulated one says so in its title.

    Raises:
        ValueError: several times, not a full hour, or Reports with more than one element.
    """
    if isinstance(native, Reports) and len(native.values) != 1:
        raise ValueError(f"diamond 3 holds reports of one element, not {sorted(native.values)}")
    columns = list(native.values.values())
    lines = [
        " ".join([
            str(station), *_place(native, row),
            *("9999" if np.isnan(column[row]) else f"{column[row]:.6g}" for column in columns),
        ])
        for row, station in enumerate(native.station)
    ]  # fmt: skip
    level = native.level if isinstance(native, Plot) else -1
    return _write(native, 3, f"{level:g}\n0\n1 25 0\n{len(columns)} {native.station.size}", lines)


def _place(native: Reports | Plot, row: int) -> tuple[str, str, str]:
    lon, lat, elevation = (float(axis[row]) for axis in (native.lon, native.lat, native.elevation))
    return (
        "9999" if np.isnan(lon) else f"{lon:.4f}", "9999" if np.isnan(lat) else f"{lat:.4f}",
        "9999" if np.isnan(elevation) else f"{elevation:g}",
    )  # fmt: skip


def _write(native: Reports | Plot, diamond: int, head: str, lines: list[str]) -> bytes:
    if isinstance(native, Reports):
        if native.start != native.end:
            raise ValueError("a MICAPS file holds one time")
        when = from_datetime64(native.time[0])
    else:
        when = native.time
    local = when.astimezone(BEIJING)
    if local.replace(minute=0, second=0, microsecond=0) != local:
        raise ValueError(f"a MICAPS file holds full hours, not {local:%H:%M:%S}")
    title = " ".join([*native.title.removeprefix("MICAPS ").split(), *([MARK] if native.simulated else [])])
    text = "\n".join([f"diamond {diamond} {title}", f"{local:%Y %m %d %H} {head}", *lines, ""])
    return text.encode("gbk", errors="replace")


FORMATS = tuple(
    schema.Format(
        name=f"micaps-{diamond}",
        title_en=f"MICAPS {english}, text (diamond {diamond})",
        title_zh=f"MICAPS {chinese}（第 {diamond} 类）",
        recognise=recogniser(diamond),
        name_pattern=NAME,
        read=read,
        describe=describe,
        write=write,
        in_child=True,
    )
    for diamond, english, chinese, read, write in (
        (1, "surface reports", "地面填图", read_surface, write_surface),
        (2, "upper-air plot", "高空填图", read_upper_air, None),
        (3, "stations with values", "离散点填图", read_scatter, write_scatter),
        (8, "city forecasts", "城市预报", read_forecast, None),
    )
)

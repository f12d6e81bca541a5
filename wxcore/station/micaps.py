"""MICAPS text files ("diamond n"): header, rows of stations, and the station lists among them (diamonds 3, 16, 17).

    diamond 3 17年01月14日18时最高气温     a title: GBK, sometimes UTF-8, sometimes broken
    17 01 14 18 -1 0 1 25 0 1 1621        date and hour of Beijing, then what the diamond has, on one line or more
    99070 115.5181 25.1622 1 07.2         one row a station

Verified on real files: diamonds 1, 3, 4, 11, 14, 16 and 17. Layout: MICAPS 3 user manual, appendix A1 (data formats).
9999 is missing; so is what Fortran prints where a number does not fit (****).
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.station import micaps_grids, micaps_plots
from wxcore.station.clocks import sexagesimal
from wxcore.station.micaps_rows import Columns, Place, Plot, describe_plot, make_plot, scatter, table
from wxcore.station.micaps_text import NAME, NUMBER, Text, floats, recogniser
from wxcore.station.reports import Doubles

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Time of diamonds 16 and 17, which have none."""

_DEGREES = re.compile(r"-?\d{3,5}")


def read_list(data: bytes, name: str) -> Plot:
    """Diamonds 16 (id, DDMM, DDDMM, zoom) and 17 (id, DDMM, DDDMM, elevation, zoom, kind, name): stations without time.

    Raises:
        ReadError: BAD_HEADER, EMPTY, BAD_VALUE, TRUNCATED; LimitError: TOO_LARGE.
    """
    text = Text(data, name)
    words = text.title.split()
    if words and words[-1].isascii() and words[-1].isdecimal() and len(words[-1]) < 9:
        text.title = " ".join(words[:-1])
        count = int(words[-1])
    else:
        count = text.count("number of rows", 10**8)

    def place(columns: Columns) -> Place:
        height = floats(columns[3]) if text.diamond == 17 else np.full(len(columns[0]), np.nan)
        return _degrees(columns[2]), _degrees(columns[1]), height

    rows = table(text, [6] if text.diamond == 17 else [4], count, place, tail=True)
    return make_plot(text, rows, {}, NO_TIME, remarks=("has no time",), stations_only=True)


def _degrees(words: Sequence[str]) -> Doubles:
    """DDDMM to degrees; with a point they are degrees. 999 (no such place) where a word is neither."""
    whole = np.array([float(word) if _DEGREES.fullmatch(word) else np.nan for word in words])
    pointed = np.array([float(word) if "." in word and NUMBER.fullmatch(word) else 999.0 for word in words])
    degrees = sexagesimal(whole, seconds=False)
    return np.where(np.isnan(degrees), pointed, degrees)


def station_list(data: bytes, name: str) -> list[tuple[str, float, float, float]]:
    """Stations of a diamond 3, 16 or 17 as (id, lon, lat, elevation): [deg], [m ASL], NaN where not told.

    Heights that are 0 in every row are not told. Rows without a place are left out.

    Raises:
        ReadError: UNSUPPORTED (another diamond), BAD_HEADER, EMPTY, BAD_VALUE, TRUNCATED; LimitError: TOO_LARGE.
    """
    text = Text(data, name)
    if text.diamond not in (3, 16, 17):
        raise ReadError(
            Reason.UNSUPPORTED,
            f"{name}: MICAPS diamond {text.diamond} is no station list: give a diamond 3, 16 or 17",
            f"{name}：MICAPS 第 {text.diamond} 类不是站点表，请提供第 3、16 或 17 类文件",
        )
    plot = scatter(text) if text.diamond == 3 else read_list(data, name)
    height = plot.elevation
    if not np.nan_to_num(height).any() and "alt" in plot.title.lower() and "value" in plot.values:
        height = plot.values["value"]
    if not np.nan_to_num(height).any():
        height = np.full_like(height, np.nan)
    rows = zip(plot.station, plot.lon, plot.lat, height, strict=True)
    return [
        (str(station), float(lon), float(lat), float(elevation))
        for station, lon, lat, elevation in rows
        if not np.isnan(lon + lat)
    ]


FORMATS: tuple[schema.Format, ...] = (
    *micaps_plots.FORMATS,
    *micaps_grids.FORMATS,
    *(
        schema.Format(
            name=f"micaps-{diamond}",
            title_en=f"MICAPS station list, text (diamond {diamond})",
            title_zh=f"MICAPS 站点表（第 {diamond} 类）",
            recognise=recogniser(diamond),
            name_pattern=NAME,
            read=read_list,
            describe=describe_plot,
            in_child=True,
        )
        for diamond in (16, 17)
    ),
)
"""Every diamond that is read, one format each: 1, 2, 3, 8, 4, 11, 14, 16, 17."""

"""A map of gusts as PNG: every station, and the strongest gust of each that reached the threshold."""

import io

import pandas as pd
import shapely
from PIL import Image, ImageDraw, ImageFont

from wxcore.pipeline.canvas import WIDTH, Canvas
from wxcore.pipeline.picture import WIND_COLOURS
from wxcore.region import Region
from wxcore.schema import QC_SUSPECT

MARGIN = 46
"""For title and scale [pixels]."""

WHITE, GREY, BLACK, LINE = (255, 255, 255), (170, 170, 170), (0, 0, 0), (120, 120, 120)
DOT, MARK = 2, 7
"""Radius of a station without such a gust, and with one [pixels]."""

MARK_SIZE, TITLE_SIZE = 13, 17


def gust_map(region: Region, gusts: pd.DataFrame, title: str) -> bytes:
    """The map.

    Args:
        region: its stations are dots, its districts outlines.
        gusts: station_id, lat, lon, gust_m_s, gust_flag; of a station the strongest is drawn, hollow and with a
            question mark where it is suspect.
        title: ASCII, above the map.
    """
    canvas = Canvas.of(region.grid)
    size = (round(WIDTH), round(canvas.height) + 2 * MARGIN)
    image = Image.new("RGB", size, WHITE)
    draw = ImageDraw.Draw(image)
    _graticule(draw, region, canvas)
    for district in region.districts:
        for ring in shapely.get_parts(shapely.boundary(district.polygon.simplify(0.005))):
            draw.line([_place(canvas, lon, lat) for lon, lat in shapely.get_coordinates(ring)], fill=LINE)
    for station in region.stations:
        _dot(draw, _place(canvas, station.lon, station.lat), DOT, GREY, GREY)
    strongest = gusts.sort_values("gust_m_s", kind="stable").drop_duplicates("station_id", keep="last")
    font = ImageFont.load_default(MARK_SIZE)
    for row in strongest.to_dict("records"):
        doubted = row["gust_flag"] >= QC_SUSPECT
        colour = next((rgb for bound, rgb in reversed(WIND_COLOURS) if row["gust_m_s"] >= bound), WHITE)
        place = _place(canvas, row["lon"], row["lat"])
        _dot(draw, place, MARK, WHITE if doubted else colour, colour if doubted else BLACK)
        label = f"{row['gust_m_s']:.0f}{'?' if doubted else ''}"
        draw.text((place[0] + MARK + 2, place[1] - MARK), label, BLACK, font, stroke_width=2, stroke_fill=WHITE)
    draw.rectangle([0, 0, size[0], MARGIN - 1], fill=WHITE)
    draw.text((10, 12), title, BLACK, ImageFont.load_default(TITLE_SIZE))
    _scale(draw, size[1] - MARGIN)
    out = io.BytesIO()
    image.save(out, format="PNG", optimize=True)
    return out.getvalue()


def _place(canvas: Canvas, lon: float, lat: float) -> tuple[float, float]:
    return canvas.x(lon), canvas.y(lat) + MARGIN


def _dot(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], radius: int, fill: tuple[int, ...], edge: tuple[int, ...]
) -> None:
    x, y = place
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill, outline=edge, width=2)


def _graticule(draw: ImageDraw.ImageDraw, region: Region, canvas: Canvas) -> None:
    west, south, east, north = region.grid.bounds
    font = ImageFont.load_default(MARK_SIZE)
    for lon in range(int(west) - 1, int(east) + 2):
        if west < lon < east:
            draw.line([_place(canvas, lon, south), _place(canvas, lon, north)], fill=(225, 225, 225))
            draw.text((canvas.x(lon) + 2, MARGIN + 2), f"{lon}", GREY, font)
    for lat in range(int(south) - 1, int(north) + 2):
        if south < lat < north:
            draw.line([_place(canvas, west, lat), _place(canvas, east, lat)], fill=(225, 225, 225))
            draw.text((2, canvas.y(lat) + MARGIN + 2), f"{lat}", GREY, font)


def _scale(draw: ImageDraw.ImageDraw, top: int) -> None:
    """The colours of the bands that begin at Beaufort 8 and above, m/s."""
    font = ImageFont.load_default(MARK_SIZE)
    draw.rectangle([0, top, WIDTH, top + MARGIN], fill=WHITE)
    for number, (bound, colour) in enumerate(WIND_COLOURS):
        left = 10 + 90 * number
        draw.rectangle([left, top + 12, left + 30, top + 28], fill=colour, outline=BLACK)
        draw.text((left + 36, top + 12), f">= {bound:g}", BLACK, font)
    draw.text((10 + 90 * len(WIND_COLOURS), top + 12), "m/s; hollow, ?: suspect", BLACK, font)

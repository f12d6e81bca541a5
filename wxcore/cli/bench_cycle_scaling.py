"""`wx bench cycle --scaling`: the same cycle with more cores, more radars, more stations; a JSON file and a picture."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from wxcore.simulate.network import MOST

CORES, RADARS, STATIONS = (1, 2), (14, 28, 56), (2000, 5000, MOST)
"""What is varied, each with the rest as it is; ids of simulated stations have four digits, so MOST and not 10,000."""

WIDTH, HEIGHT, EDGE = 360, 260, 44
"""Of each panel of the picture [pixels]."""

INK, GRID, LINE, EVEN = (30, 30, 30), (215, 215, 215), (43, 108, 212), (160, 160, 160)


@dataclass(frozen=True)
class Load:
    """How much there is in a cycle, and how many cores may work on it."""

    radars: int = 14
    stations: int = 2500
    workers: int = 2


@dataclass(frozen=True)
class Point:
    """One load and what it took, on a machine as fast as that of PERFORMANCE.md.

    Attributes:
        seconds: median of a cycle [s], and steps: of its steps, both as measured, divided by `machine`.
        machine: how much slower this one was then: mean of before and after; 1 where nobody knows.
        peak_mib: largest resident set [MiB].
    """

    varied: str
    load: Load
    seconds: float
    peak_mib: float
    steps: dict[str, float]
    machine: float = 1.0

    @property
    def x(self) -> int:
        """The number that was varied."""
        return int(getattr(self.load, self.varied))


def loads(base: Load) -> Iterator[tuple[str, Load]]:
    """What is measured, by what is varied."""
    yield from (("workers", replace(base, workers=count)) for count in CORES)
    yield from (("radars", replace(base, radars=count)) for count in RADARS)
    yield from (("stations", replace(base, stations=count)) for count in STATIONS)


def efficiency(points: Sequence[Point]) -> float:
    """Speed with the most cores against one, by core; 1 is perfect."""
    by_cores = {point.load.workers: point.seconds for point in points if point.varied == "workers"}
    most = max(by_cores)
    return by_cores[min(by_cores)] * min(by_cores) / (by_cores[most] * most)


def write_scaling(folder: Path, points: Sequence[Point]) -> tuple[Path, Path]:
    """scaling.json and scaling.png."""
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {"points": [asdict(point) for point in points], "efficiency": efficiency(points)}
    paths = folder / "scaling.json", folder / "scaling.png"
    paths[0].write_text(json.dumps(told, indent=1))
    paths[1].write_bytes(picture(points))
    return paths


def picture(points: Sequence[Point]) -> bytes:
    """PNG: a panel for each thing varied, seconds over it from zero; grey: as it would be at the same cost each."""
    varied = list(dict.fromkeys(point.varied for point in points))
    image = Image.new("RGB", (WIDTH * len(varied), HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    for number, name in enumerate(varied):
        _panel(draw, number * WIDTH, name, [point for point in points if point.varied == name])
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()


def _panel(draw: ImageDraw.ImageDraw, left: int, name: str, points: Sequence[Point]) -> None:
    first = points[0]
    even = [first.seconds * (first.x / p.x if name == "workers" else p.x / first.x) for p in points]
    top = 1.1 * max(*even, *(point.seconds for point in points))
    most = 1.1 * max(point.x for point in points)

    def at(x: float, y: float) -> tuple[float, float]:
        wide, high = WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE
        return left + EDGE + wide * x / most, HEIGHT - EDGE - high * y / top

    draw.line([at(0, top), at(0, 0), at(most, 0)], fill=INK)
    for point in points:
        draw.line([at(point.x, 0), at(point.x, top)], fill=GRID)
        draw.text(_beside(at, point.x, 0, (-8, 4)), str(point.x), fill=INK)
        draw.text(_beside(at, point.x, point.seconds, (-10, -16)), f"{point.seconds:.1f}", fill=LINE)
    draw.line([at(point.x, y) for point, y in zip(points, even, strict=True)], fill=EVEN)
    draw.line([at(point.x, point.seconds) for point in points], fill=LINE, width=2)
    draw.text((left + EDGE, 12), f"seconds of a cycle by {name}", fill=INK)


def _beside(
    at: Callable[[float, float], tuple[float, float]], x: float, y: float, by: tuple[int, int]
) -> tuple[float, float]:
    there = at(x, y)
    return there[0] + by[0], there[1] + by[1]

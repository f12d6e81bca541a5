"""Tables of CINRAD (ROSE) standard products: hail (HI), storm tracks (STI), mesocyclones (M), wind profile (VWP).

No specification was at hand: the layouts were found in one set of real files (Hechi, 2025-05-08 12:32 UTC), and every
table is read and written back to the byte. What stands on which check (tests/radar/test_standard_product.py):

- STI: azimuth, range, base, top, VIL and greatest reflectivity of its 38 cells are those of SS, and ids, azimuths and
  ranges those of HI; forecasts lie where position, speed and direction put them (the direction is where a storm comes
  *from*), every 15 minutes; histories end at the volume before; counts and component numbers add up. Guess: the unit
  of the errors [m].
- M: heights are 4/3-earth beam heights of range and elevation *above the antenna*; `cell` is the nearest of SS; rows
  of the first table repeat the first features; base <= height <= top; a feature of one level has all three equal,
  and means equal to maxima. Guesses: `kind` 1 mesocyclone, 2 correlated in the vertical, 3 one level; which length is
  along the azimuth. `a` and `b` are two strengths of rotation whose units we do not know. `base_elevation` holds
  degrees times 180 / pi in the file.
- VWP: times are those of six volumes, 354 s apart, the last that of the product; heights ascend and are those of the
  parameters; directions 0 to 360. Rows without `valid` hold garbage. That heights are above sea level is inferred: no
  wind is valid below the antenna (1047 m).

Fields named `raw...` are kept and not understood.
"""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError, Reason

MAX_ROWS = 10_000
MAX_POSITIONS, MAX_HEIGHTS = 64, 64

HAIL_CELL = np.dtype(
    [
        ("id", "<i4"),
        ("azimuth_deg", "<f4"),
        ("range_m", "<i4"),
        ("poh_percent", "<i4"),
        ("posh_percent", "<i4"),
        ("size", "<f4"),
        ("rcm", "<i4"),
    ]
)
"""One row of a hail table. `size` as in the file: its unit is not stated there (the coefficients that follow the table,
0.1 and 0.5, are those of 0.1 SHI^0.5 inches)."""

TRACK = np.dtype(
    [("azimuth_deg", "<f4"), ("range_m", "<i4"), ("speed_m_s", "<f4"), ("from_deg", "<f4"), ("error_m", "<i4"),
     ("mean_error_m", "<i4")]
)  # fmt: skip
"""A storm and its motion; a storm without history has the mean motion."""

POSITION = np.dtype([("azimuth_deg", "<f4"), ("range_m", "<i4"), ("time", "<i4")])
"""Where a storm was or will be; `time` in seconds since 1970."""

CELL = np.dtype(
    [("id", "<i4"), ("is_new", "<i4"), ("raw", "<i4"), ("azimuth_deg", "<f4"), ("range_m", "<i4"),
     ("raw2", "<i4"), ("max_dbz", "<f4"), ("max_height_m", "<i4"), ("vil_kg_m2", "<f4"), ("components", "<i4"),
     ("first_component", "<i4"), ("top_m", "<i4"), ("top_component", "<i4"), ("base_m", "<i4"),
     ("base_component", "<i4")]
)  # fmt: skip
COMPONENT = np.dtype([("height_m", "<i4"), ("max_dbz", "<f4"), ("number", "<i4")])
"""A cell's maximum on one tilt; `number` counts within the cell, from below."""

MESOCYCLONE = np.dtype(
    [("id", "<i4"), ("cell", "<i4"), ("azimuth_deg", "<f4"), ("range_m", "<i4"), ("elevation_deg", "<f4"),
     ("a_max", "<f4"), ("height_m", "<i4"), ("azimuthal_m", "<i4"), ("radial_m", "<i4"), ("b_mean", "<f4"),
     ("b_max", "<f4"), ("top_m", "<i4"), ("base_m", "<i4"), ("base_azimuth_rad", "<f4"), ("base_range_km", "<i4"),
     ("base_elevation_deg", "<f4"), ("raw", "<f4")]
)  # fmt: skip
FEATURE = np.dtype(
    [("id", "<i4"), ("cell", "<i4"), ("kind", "<i4"), ("azimuth_deg", "<f4"), ("range_m", "<i4"),
     ("elevation_deg", "<f4"), ("height_m", "<i4"), ("azimuthal_m", "<i4"), ("radial_m", "<i4"), ("a_mean", "<f4"),
     ("a_max", "<f4"), ("b_mean", "<f4"), ("b_max", "<f4"), ("top_m", "<i4"), ("base_m", "<i4"),
     ("base_azimuth_rad", "<f4"), ("base_range_m", "<i4"), ("base_elevation", "<f4")]
)  # fmt: skip

WIND = np.dtype(
    [("time", "<i4"), ("height_m", "<i4"), ("valid", "<i4"), ("from_deg", "<f4"), ("speed_m_s", "<f4"),
     ("rms_m_s", "<f4"), ("raw", "<i4", (2,))]
)  # fmt: skip

_STI_HEAD, _M_HEAD, _VWP_HEAD = struct.Struct("<iiiff"), struct.Struct("<3i"), struct.Struct("<iifff12s")
_COUNT = struct.Struct("<i")
Table = npt.NDArray[np.void]


@dataclass(frozen=True)
class HailTable:
    """Cells as HAIL_CELL records; `h0_km`, `hm20_km` heights of 0 and -20 C [km] that the algorithm used (NaN: none).

    `adaptation` is what follows the table, whole, with these two heights first.
    """

    cells: Table
    h0_km: float
    hm20_km: float
    adaptation: bytes


@dataclass(frozen=True)
class StormTracks:
    """STI: `tracks` (TRACK), `forecasts` and `histories` (POSITION, one array a storm) and `cells` (CELL) go in step.

    `continuing` storms are not new; speed and direction are the mean motion; `components` (COMPONENT) of all cells.
    """

    continuing: int
    speed_m_s: float
    from_deg: float
    tracks: Table
    forecasts: tuple[Table, ...]
    histories: tuple[Table, ...]
    cells: Table
    components: Table
    adaptation: bytes


@dataclass(frozen=True)
class Mesocyclones:
    """M: `mesocyclones` (MESOCYCLONE) are the first of `features` (FEATURE); `raw` is the header's first number."""

    raw: int
    mesocyclones: Table
    features: Table
    adaptation: bytes


@dataclass(frozen=True)
class WindProfile:
    """VWP: `winds` (volume, height) of WIND, oldest first; the strongest of them all; `raw` of the header."""

    speed_m_s: float
    from_deg: float
    height_m: float
    winds: Table
    raw: tuple[int, bytes]


AnyTable = HailTable | StormTracks | Mesocyclones | WindProfile


def need(data: bytes, size: int, what: str) -> None:
    """Refuse a file that ends inside of `what`.

    Raises:
        ReadError: TRUNCATED.
    """
    if len(data) < size:
        raise ReadError(
            Reason.TRUNCATED,
            f"standard product, {what}: the file has {len(data)} bytes, {size} needed: fetch it again",
            f"标准格式产品（{what}）：文件只有 {len(data)} 字节，至少需要 {size}：请重新获取文件",
            offset=len(data),
        )


def bad_header(what: str, found: str, expected: str, offset: int) -> ReadError:
    """A field that contradicts the format."""
    return ReadError(
        Reason.BAD_HEADER,
        f"standard product, {what}: {found}, expected {expected}: the file is damaged",
        f"标准格式产品 {what}：读到 {found}，应为 {expected}：文件损坏",
        offset=offset,
    )


def read_hail(data: bytes, body: int) -> HailTable:
    """The hail table whose block begins at byte `body`. This and the next three raise TRUNCATED or BAD_HEADER."""
    need(data, body + _COUNT.size, "hail table")
    (count,) = _COUNT.unpack_from(data, body)
    cells, end = _rows(data, body + _COUNT.size, HAIL_CELL, count, "hail cells")
    rest = data[end:]
    h0, hm20 = struct.unpack_from("<2f", rest) if len(rest) >= 8 else (np.nan, np.nan)
    return HailTable(cells, float(h0), float(hm20), rest)


def read_tracks(data: bytes, body: int) -> StormTracks:
    """The storm tracks whose block begins at byte `body`."""
    need(data, body + _STI_HEAD.size, "storm tracks")
    storms, continuing, pieces, speed, direction = _STI_HEAD.unpack_from(data, body)
    tracks, at = _rows(data, body + _STI_HEAD.size, TRACK, storms, "storms")
    forecasts, at = _positions(data, at, storms)
    histories, at = _positions(data, at, storms)
    cells, at = _rows(data, at, CELL, storms, "storm cells")
    components, at = _rows(data, at, COMPONENT, pieces, "components")
    return StormTracks(
        continuing, speed, direction, tracks, forecasts, histories, cells, components, data[at:]
    )  # fmt: skip


def read_mesocyclones(data: bytes, body: int) -> Mesocyclones:
    """The mesocyclones whose block begins at byte `body`."""
    need(data, body + _M_HEAD.size, "mesocyclones")
    raw, count, features = _M_HEAD.unpack_from(data, body)
    rows, at = _rows(data, body + _M_HEAD.size, MESOCYCLONE, count, "mesocyclones")
    table, at = _rows(data, at, FEATURE, features, "features of rotation")
    return Mesocyclones(raw, rows, table, data[at:])


def read_winds(data: bytes, body: int, heights: int) -> WindProfile:
    """The wind profile whose block begins at byte `body`; `heights` from the product's parameters."""
    need(data, body + _VWP_HEAD.size, "wind profile")
    raw, volumes, speed, direction, height, rest = _VWP_HEAD.unpack_from(data, body)
    if not (1 <= heights <= MAX_HEIGHTS and 0 <= volumes <= MAX_ROWS // MAX_HEIGHTS):
        raise bad_header("volumes, heights", f"{volumes}, {heights}", f"heights 1 to {MAX_HEIGHTS}", body)
    winds, _ = _rows(data, body + _VWP_HEAD.size, WIND, volumes * heights, "winds")
    return WindProfile(speed, direction, height, winds.reshape(volumes, heights), (raw, rest))


def table_bytes(table: AnyTable) -> bytes:
    """The block of a table, the inverse of the readers."""
    if isinstance(table, HailTable):
        return _COUNT.pack(table.cells.size) + table.cells.tobytes() + table.adaptation
    if isinstance(table, Mesocyclones):
        head = _M_HEAD.pack(table.raw, table.mesocyclones.size, table.features.size)
        return head + table.mesocyclones.tobytes() + table.features.tobytes() + table.adaptation
    if isinstance(table, WindProfile):
        raw, rest = table.raw
        head = _VWP_HEAD.pack(raw, len(table.winds), table.speed_m_s, table.from_deg, table.height_m, rest)
        return head + table.winds.tobytes()
    counts = (table.tracks.size, table.continuing, table.components.size)
    parts = [_STI_HEAD.pack(*counts, table.speed_m_s, table.from_deg), table.tracks.tobytes()]
    for positions in (*table.forecasts, *table.histories):
        parts += [_COUNT.pack(positions.size), positions.tobytes()]
    return b"".join([*parts, table.cells.tobytes(), table.components.tobytes(), table.adaptation])


def table_remark(table: AnyTable) -> str:
    """What a table holds, for `wx doctor`."""
    if isinstance(table, HailTable):
        return f"{table.cells.size} hail cells, H0 {table.h0_km:.3f} km, H-20 {table.hm20_km:.3f} km"
    if isinstance(table, Mesocyclones):
        return f"{table.mesocyclones.size} mesocyclones among {table.features.size} features of rotation"
    if isinstance(table, WindProfile):
        known = int((table.winds["valid"] != 0).sum())
        return f"winds of {table.winds.shape[0]} volumes at {table.winds.shape[1]} heights, {known} valid"
    motion = f"mean motion {table.speed_m_s:.1f} m/s from {table.from_deg:.0f} deg"
    return f"{table.tracks.size} storms, {table.continuing} tracked on, {motion}"


def _rows(data: bytes, at: int, dtype: np.dtype[np.void], count: int, what: str) -> tuple[Table, int]:
    """`count` rows from byte `at` on, and the byte behind them."""
    if not 0 <= count <= MAX_ROWS:
        raise bad_header(f"number of {what}", str(count), f"0 to {MAX_ROWS}", at)
    end = at + count * dtype.itemsize
    need(data, end, what)
    return np.frombuffer(data, dtype, count, at), end


def _positions(data: bytes, at: int, storms: int) -> tuple[tuple[Table, ...], int]:
    found = []
    for _ in range(storms):
        need(data, at + _COUNT.size, "positions of storms")
        (count,) = _COUNT.unpack_from(data, at)
        if not 0 <= count <= MAX_POSITIONS:
            raise bad_header("positions of a storm", str(count), f"0 to {MAX_POSITIONS}", at)
        rows, at = _rows(data, at + _COUNT.size, POSITION, count, "positions")
        found.append(rows)
    return tuple(found), at

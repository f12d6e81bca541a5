"""CINRAD (ROSE) standard-format products, generic type 2 (FORMATS.md A.7): truth to compare ours with, never input.

generic 32 | site 128 | task 256 | n x 256 cuts | product header 128 | parameters 64 | block, little-endian. Rasters
(CR, VIL, TOPS), radials (PPI, CAPPI, HSR, SRM) and the tables of `standard_tables` (HI, STI, M, VWP) are decoded; of
the others the header is. Velocities of PPI and SRM are folded ones: in real files they stay within the cut's Nyquist.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.errors import LimitError, Reason, TimeError
from wxcore.radar import codes as coding
from wxcore.radar.standard_tables import (
    AnyTable,
    bad_header,
    need,
    read_hail,
    read_mesocyclones,
    read_tracks,
    read_winds,
    table_bytes,
    table_remark,
)
from wxcore.radar.volume import Site
from wxcore.times import from_epoch

Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

MAGIC, PRODUCT = 0x4D545352, 2
PRODUCT_BYTES, PARAMETER_BYTES = 128, 64
MAX_CELLS = 50_000_000
"""Most cells of a block we decode: fifty times a 920 x 920 composite."""

TYPES: dict[int, tuple[str, str]] = {
    1: ("PPI", "平面位置显示"), 2: ("RHI", "距离高度显示"), 3: ("CAPPI", "等高平面位置显示"), 4: ("MAX", "最大回波"),
    6: ("ET", "回波顶高"), 8: ("VCS", "垂直剖面"), 14: ("SRM", "风暴相对径向速度"), 18: ("CR", "组合反射率"),
    20: ("WER", "弱回波区"), 23: ("VIL", "垂直累积液态水"), 24: ("HSR", "混合扫描反射率"), 25: ("OHP", "一小时降水"),
    26: ("THP", "三小时降水"), 27: ("STP", "风暴总降水"), 32: ("VWP", "风廓线"), 37: ("STI", "风暴追踪"),
    38: ("HI", "冰雹指数"), 39: ("M", "中气旋"), 40: ("TVS", "龙卷涡旋特征"), 41: ("SS", "风暴结构"),
    44: ("UAM", "用户告警"), 51: ("HCL", "水凝物分类"),
}  # fmt: skip
"""Product type to its short name and Chinese name (FORMATS.md A.7; 14 seen in a real SRM)."""

RASTER_TYPES = frozenset({6, 18, 23, 25, 26, 27})
RADIAL_TYPES = frozenset({1, 3, 14, 24, 51})
WINDS_TYPE = 32
_TABLES: dict[int, Callable[[bytes, int], AnyTable]] = {37: read_tracks, 38: read_hail, 39: read_mesocyclones}

_GENERIC = struct.Struct("<ihhii")
_SITE = struct.Struct("<8s32sffiifff")
_PRODUCT_HEADER = struct.Struct("<i32s4i")
_RASTER = struct.Struct("<iiihhiiii")
_RADIAL = struct.Struct("<iiihhiiii")
_RAY = struct.Struct("<ffi")
_COMMON_BYTES, _CUT_BYTES, _BLOCK_HEADER_BYTES, _RAY_HEADER_BYTES = 416, 256, 64, 32
_RESERVED = 5
"""Codes below 5 are reserved (FORMATS.md A.1)."""


@dataclass(frozen=True)
class Raster:
    """(row, column) codes, row 0 north, centred on the radar; `row_m`, `column_m` are the cells' sizes [m]."""

    codes: Codes
    scale: float
    offset: float
    row_m: float
    column_m: float
    dtype: int


@dataclass(frozen=True)
class Radials:
    """(ray, gate) codes of azimuths [deg]; a short ray is padded with 0. Gate 0 begins at `start_m`."""

    codes: Codes
    scale: float
    offset: float
    azimuth: npt.NDArray[np.float32]
    width: npt.NDArray[np.float32]
    gate_m: float
    start_m: float
    dtype: int


@dataclass(frozen=True)
class StandardProduct:
    """A product file. `block` None where only the header is decoded; `common` and `parameters` are kept as bytes."""

    type: int
    number: str
    site: Site
    task: str
    start: datetime
    common: bytes
    product_header: bytes
    parameters: bytes
    block: Raster | Radials | AnyTable | None

    @property
    def short_name(self) -> str:
        """`HI`, `CR` ..."""
        return TYPES.get(self.type, (f"type {self.type}", ""))[0]


ELEVATION_TYPES = frozenset({1, 14})


def elevation(product: StandardProduct) -> float:
    """Elevation of a PPI or SRM [deg], the first number of its parameters; NaN of other products."""
    if product.type not in ELEVATION_TYPES:
        return np.nan
    return float(struct.unpack_from("<f", product.parameters)[0])


def values(block: Raster | Radials) -> npt.NDArray[np.float32]:
    """Values of the block's codes, float32; NaN where the code is reserved (below 5)."""
    result = ((block.codes.astype(np.float32) - block.offset) / block.scale).astype(np.float32)
    result[block.codes < _RESERVED] = np.nan
    return result


def read_standard_product(data: bytes, _name: str) -> StandardProduct:
    """Read a standard-format product.

    Raises:
        ReadError: TRUNCATED, BAD_HEADER.
        LimitError: TOO_LARGE.
    """
    need(data, _COMMON_BYTES, "common header")
    magic, _, _, generic, product_type = _GENERIC.unpack_from(data)
    if magic != MAGIC or generic != PRODUCT:
        raise bad_header("magic@0, type@8", f"{magic:#x}, {generic}", f"{MAGIC:#x}, {PRODUCT}", 0)
    (cuts,) = struct.unpack_from("<i", data, 336)
    if not 0 <= cuts <= 256:
        raise bad_header("number of cuts@336", str(cuts), "0 to 256", 336)
    start = _COMMON_BYTES + cuts * _CUT_BYTES
    need(data, start + PRODUCT_BYTES + PARAMETER_BYTES, "product header")
    kind, number, _, scan_start, *_ = _PRODUCT_HEADER.unpack_from(data, start)
    try:
        time = from_epoch(scan_start)
    except TimeError as cause:
        raise bad_header("scan start", str(scan_start), "seconds since 1970", start + 40) from cause
    if kind != product_type:
        raise bad_header("product type", f"{product_type}@12, {kind}@{start}", "the same twice", start)
    body = start + PRODUCT_BYTES + PARAMETER_BYTES
    return StandardProduct(
        type=kind,
        number=_text(number),
        site=_site(data),
        task=_text(data[160:192]),
        start=time,
        common=data[:start],
        product_header=data[start : start + PRODUCT_BYTES],
        parameters=data[start + PRODUCT_BYTES : body],
        block=_block(kind, data, body),
    )


def write_standard_product(product: StandardProduct) -> bytes:
    """The file of a product with a decoded block (statistics in its header are left 0).

    Raises:
        ValueError: the block was not decoded.
    """
    head = product.common + product.product_header + product.parameters
    block = product.block
    if isinstance(block, AnyTable):
        return head + table_bytes(block)
    if isinstance(block, Raster):
        rows, columns = block.codes.shape
        header = _RASTER.pack(
            block.dtype, int(block.scale), int(block.offset), block.codes.dtype.itemsize, -32768,
            round(block.row_m), round(block.column_m), rows, columns,
        )  # fmt: skip
        return head + header.ljust(_BLOCK_HEADER_BYTES, b"\0") + _little(block.codes)
    if isinstance(block, Radials):
        rays, gates = block.codes.shape
        end = round(block.start_m + gates * block.gate_m)
        header = _RADIAL.pack(
            block.dtype, int(block.scale), int(block.offset), block.codes.dtype.itemsize, -32768,
            round(block.gate_m), round(block.start_m), end, rays,
        )  # fmt: skip
        parts = [head, header.ljust(_BLOCK_HEADER_BYTES, b"\0")]
        for azimuth, width, codes in zip(block.azimuth, block.width, block.codes, strict=True):
            parts += [_RAY.pack(azimuth, width, gates).ljust(_RAY_HEADER_BYTES, b"\0"), _little(codes)]
        return b"".join(parts)
    raise ValueError(f"{product.short_name}: only products with a decoded block can be written")


def describe(product: StandardProduct) -> schema.Description:
    """What the product is, for `wx doctor`."""
    block = product.block
    remarks: tuple[str, ...] = (f"product {product.number}", f"task {product.task}")
    if isinstance(block, AnyTable):
        remarks += (table_remark(block),)
    elif block is None:
        remarks += ("header only: the body of this product is not decoded",)
    else:
        seen = values(block)
        name = f"{coding.MOMENTS[block.dtype]} " if block.dtype in coding.MOMENTS else ""
        remarks += (f"{name}maximum {np.nanmax(seen):g}" if np.isfinite(seen).any() else f"{name}no echo",)
    return schema.Description("product", product.site.id, product.start, 1, (product.short_name,), remarks)


def _little(codes: npt.NDArray[np.generic]) -> bytes:
    return codes.astype(codes.dtype.newbyteorder("<")).tobytes()


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("gbk", errors="replace").strip()


def _site(data: bytes) -> Site:
    code, name, lat, lon, antenna, _, frequency, beam, _ = _SITE.unpack_from(data, 32)
    if not (-90 <= lat <= 90 and -180 <= lon <= 360):
        lat = lon = np.nan
    return Site(_text(code), _text(name), lat, lon, float(antenna), frequency, beam if 0.1 <= beam <= 10 else 1.0)


def _block(kind: int, data: bytes, body: int) -> Raster | Radials | AnyTable | None:
    if kind in _TABLES:
        return _TABLES[kind](data, body)
    if kind == WINDS_TYPE:
        return read_winds(data, body, *struct.unpack_from("<i", data, body - PARAMETER_BYTES))
    if kind in RASTER_TYPES:
        return _raster(data, body)
    return _radials(data, body) if kind in RADIAL_TYPES else None


def _calibration(head: tuple[int, ...], body: int) -> tuple[float, float, np.dtype[np.uint8] | np.dtype[np.uint16]]:
    """(scale, offset, dtype of codes) of a block's header."""
    if head[1] <= 0:
        raise bad_header("scale", str(head[1]), "above 0", body + 4)
    if head[3] not in (1, 2):
        raise bad_header("bytes a code", str(head[3]), "1 or 2", body + 12)
    dtype: np.dtype[np.uint8] | np.dtype[np.uint16] = np.dtype("u1") if head[3] == 1 else np.dtype("<u2")
    return float(head[1]), float(head[2]), dtype


def _check_cells(rows: int, columns: int, body: int) -> None:
    if rows < 1 or columns < 0:
        raise bad_header("rows, columns", f"{rows}, {columns}", "at least one", body)
    if rows * max(columns, 1) > MAX_CELLS:
        raise LimitError(
            Reason.TOO_LARGE,
            f"standard product declares {rows} x {columns} cells, more than the {MAX_CELLS} we decode",
            f"标准格式产品声明 {rows} x {columns} 个格点，超过上限 {MAX_CELLS}",
        )


def _raster(data: bytes, body: int) -> Raster:
    need(data, body + _BLOCK_HEADER_BYTES, "raster header")
    head = _RASTER.unpack_from(data, body)
    scale, offset, dtype = _calibration(head, body)
    row_m, column_m, rows, columns = head[5:9]
    _check_cells(rows, columns, body)
    start = body + _BLOCK_HEADER_BYTES
    need(data, start + rows * columns * dtype.itemsize, "raster")
    flat = cast(Codes, np.frombuffer(data, dtype, rows * columns, start))
    codes = flat.reshape(rows, columns)
    return Raster(codes, scale, offset, float(row_m), float(column_m), head[0])


def _radials(data: bytes, body: int) -> Radials:
    need(data, body + _BLOCK_HEADER_BYTES, "radial header")
    head = _RADIAL.unpack_from(data, body)
    scale, offset, dtype = _calibration(head, body)
    gate_m, start_m, _, rays = head[5:9]
    position, rows = body + _BLOCK_HEADER_BYTES, []
    azimuth, width = np.zeros(max(rays, 0), np.float32), np.zeros(max(rays, 0), np.float32)
    need(data, position + max(rays, 0) * _RAY_HEADER_BYTES, "radials")
    for ray in range(rays):
        need(data, position + _RAY_HEADER_BYTES, f"radial {ray}")
        azimuth[ray], width[ray], gates = _RAY.unpack_from(data, position)
        position += _RAY_HEADER_BYTES
        _check_cells(rays, gates, position)
        need(data, position + gates * dtype.itemsize, f"radial {ray}")
        rows.append(np.frombuffer(data, dtype, gates, position))
        position += gates * dtype.itemsize
    _check_cells(rays, max((row.size for row in rows), default=0), body)
    codes = np.zeros((rays, max(row.size for row in rows)), dtype)
    for ray, row in enumerate(rows):
        codes[ray, : row.size] = row
    return Radials(codes, scale, offset, azimuth, width, float(gate_m), float(start_m), head[0])


def _is_product(head: bytes) -> bool:
    return len(head) >= _GENERIC.size and (_GENERIC.unpack_from(head)[0], _GENERIC.unpack_from(head)[3]) == (
        MAGIC,
        PRODUCT,
    )


FORMAT = schema.Format(
    name="cinrad-product",
    title_en="CINRAD standard-format product (ROSE)",
    title_zh="天气雷达标准格式产品（ROSE）",
    recognise=_is_product,
    name_pattern=re.compile(r"^[A-Z][A-Z0-9]{4}_\d{14}Z_\w+"),
    read=read_standard_product,
    describe=describe,
    write=write_standard_product,
)

"""Mosaics over the tiny region with a storm of known strength in it, for the faults of values and of sources."""

from datetime import datetime

import numpy as np

from tests.faults.scene import CELLS, SOUTH, STEP, WEST
from tests.radar import test_moc, test_swan
from wxcore.times import beijing

STORM_DBZ, QUIET_DBZ = 55.0, 5.0
LEVELS_KM = (1.0, 3.0, 5.0, 7.0, 9.0, 11.0)
ROWS = slice(14, 26)
"""Rows and columns of the storm."""


def field(columns: int = CELLS) -> np.ndarray:
    """dBZ (row from the north, column): quiet, with a square of a storm."""
    values = np.full((CELLS, columns), QUIET_DBZ)
    values[ROWS, 6:18] = STORM_DBZ
    return values


def swan_mosaic(codes: np.ndarray, when: datetime) -> bytes:
    """Int16 codes (level, row, column) in tenths of dBZ as a 3-D SWAN mosaic."""
    label = f"TDMOSAIC_{beijing(when):%Y%m%d%H%M%S}".encode()
    data = bytearray(test_swan.swan(codes, label=label, heights=LEVELS_KM, dtype=3, calibration=(0.0, 0.1)))
    north = SOUTH - STEP / 2 + CELLS * STEP
    data[88:96] = np.array([WEST - STEP / 2, north], "<f4").tobytes()
    clock = (when.year, when.month, when.day, when.hour, when.minute)
    data[66:76] = np.array(clock, "<u2").tobytes()
    return bytes(data)


def moc_composite(codes: np.ndarray, when: datetime) -> bytes:
    """Int16 codes (row, column) in tenths of dBZ as a MOC composite."""
    rows, columns = codes.shape
    west, south = WEST - STEP / 2, SOUTH - STEP / 2
    edges = (south, west, south + rows * STEP, west + columns * STEP)
    thousandths = tuple(round(edge * 1000) for edge in edges)
    data = bytearray(test_moc.moc(codes, edges=thousandths, nx=columns, ny=rows))
    clock = (when.year, when.month, when.day, when.hour, when.minute, when.second)
    data[100:112] = np.array(clock, "<u2").tobytes()
    return bytes(data)


def tenths(values: np.ndarray) -> np.ndarray:
    """dBZ to int16 codes of a tenth."""
    codes: np.ndarray = np.rint(values * 10).astype("i2")
    return codes


def stacked(values: np.ndarray) -> np.ndarray:
    """The field on every level."""
    return np.stack([values] * len(LEVELS_KM))

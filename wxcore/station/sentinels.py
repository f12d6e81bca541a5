"""Numbers by which texts of CMA say that there is no value: one rule for all of them.

A format may add its own (999 tenths of FTM, 6999 of a Campbell logger). Values like 999.9 stay: it is a pressure.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

CODES = (32744, 32766, 32767)
"""Largest numbers of two bytes, and what CMA's databases write instead: in no unit of an element."""

NINES = (9999, 99999)
CODES_FROM = 990_000
"""999999 missing, 999998 not observed, 999017 calm, 996nnn and 997nnn kinds of rain [M but 999999, which is V]: codes,
and no values."""


def is_missing(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.bool_]:
    """Which values, in units of their element, are none (either sign); NaN is no such code."""
    size = np.abs(values)
    found = size >= CODES_FROM
    for code in (*CODES, *NINES):
        found |= size == code
    return np.asarray(found)

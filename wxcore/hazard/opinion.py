"""What a rule gives: a probability and why; and the arithmetic that rules share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Opinion:
    """A probability at lead 0, and why, in English and Chinese."""

    p: float
    drivers: tuple[str, ...]
    drivers_zh: tuple[str, ...]


Phrase = tuple[str, str]


def opinion(p: float, phrases: Sequence[Phrase]) -> Opinion:
    """The opinion with these (English, Chinese) reasons."""
    return Opinion(p, tuple(en for en, _ in phrases), tuple(zh for _, zh in phrases))


def with_reasons(found: Opinion, p: float, phrases: Sequence[Phrase]) -> Opinion:
    """The opinion with another probability and more reasons: first where they changed it, else last."""
    added = opinion(p, phrases)
    parts = (found, added) if p == found.p or math.isnan(p) else (added, found)
    drivers, drivers_zh = zip(*((part.drivers, part.drivers_zh) for part in parts), strict=True)
    return Opinion(p, sum(drivers, ()), sum(drivers_zh, ()))


def weighted(parts: Sequence[tuple[float, float]]) -> float:
    """Mean of (weight, value) pairs; what is not known is left out and the others weigh more."""
    return sum(weight * value for weight, value in parts) / sum(weight for weight, _ in parts)


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return float(0.5 * (1 + np.tanh(x / 2)))

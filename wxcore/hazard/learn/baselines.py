"""Competitors that learn nothing but their calibration: published rules, columns that stand beside the table."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from wxcore.hazard import rules
from wxcore.hazard.gale import GALE_CONSTANTS, gale
from wxcore.hazard.ground import gale_seen
from wxcore.hazard.learn.calibrate import calibrated, fit_calibrator
from wxcore.hazard.samples.table import Samples
from wxcore.hazard.sky import flashes

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

PUBLISHED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "hail": (
        ("MESH (Witt 1998)", "mesh_mm"),
        ("POSH (Witt 1998)", "posh_percent"),
        ("SHI (Witt 1998)", "shi"),
        ("VIL (Greene and Clark 1972)", "vil_kg_m2"),
        ("VIL density (Amburn and Wolf 1997)", "vil_density_g_m3"),
        ("H45-H0 (Waldvogel 1979)", "h45_above_h0_km"),
        ("hail size class (Ortega 2016)", "hail_size_class"),
        ("lightning jump (Schultz 2009)", "lightning_jump_sigma"),
    ),
    "thunderstorm": (
        ("maximum reflectivity", "max_dbz"),
        ("18 dBZ top above 0 C", "top18_above_h0_km"),
        ("H45-H0 (Waldvogel 1979)", "h45_above_h0_km"),
        ("VIL (Greene and Clark 1972)", "vil_kg_m2"),
        ("flash rate (persistence)", "flash_rate_min"),
        ("lightning jump (Schultz 2009)", "lightning_jump_sigma"),
    ),
    "gale": (
        ("|Vr| near ground", "radial_wind_low_m_s"),
        ("MARC (Schmocker 1996)", "marc_m_s"),
        ("divergence near ground", "divergence_low_s1"),
        ("VIL (Greene and Clark 1972)", "vil_kg_m2"),
        ("maximum reflectivity", "max_dbz"),
        ("gust near (persistence)", "gust_near_m_s"),
        ("lightning jump (Schultz 2009)", "lightning_jump_sigma"),
    ),
}
"""By hazard: name on the board and column; more of it is likelier (DOMAIN.md 2.2, 2.4, 5.3). A table of storms has no
reflectivity at -10 C: the maximum of the column stands for it, as in rules.py."""


ENOUGH = (200, 20)
"""Rows, and rows of the rarer class, from which on a rule is calibrated by isotonic regression [our choice]: it is one
number whose scale nobody promised to be log odds, and a sigmoid of it would be a straw man to beat."""

CHUNK = 50_000
"""Rows that are handed to a rule of rules.py at once: dictionaries of more would fill the memory."""


@dataclass(frozen=True)
class Own:
    """The rule of rules.py for a hazard: features it cannot do without, features it also looks at, and its p."""

    needs: tuple[str, ...]
    also: tuple[str, ...]
    p: Callable[[Mapping[str, Any]], float]


def _hail(row: Mapping[str, Any]) -> float:
    quality = rules.GOOD_LEVELS if row.get("levels_of_the_day", 1.0) > 0 else ""
    return rules.hail({**row, "mesh75_mm": math.nan}, levels_quality=quality).p


def _thunderstorm(row: Mapping[str, Any]) -> float:
    p = rules.thunderstorm(row).p
    return float(np.fmax(rules.THUNDERSTORM_CONSTANTS["flash_floor"], p)) if flashes(row) else p


def _gale(row: Mapping[str, Any]) -> float:
    p = gale({**row, "u_m_s": row["speed_m_s"], "v_m_s": 0.0}).p
    return float(np.fmax(GALE_CONSTANTS["gust_floor"], p)) if gale_seen(row) else p


OWN: Mapping[str, Own] = {
    "hail": Own(
        ("mesh_mm", "posh_percent", "h45_above_h0_km", "observed_fraction"),
        ("hail_size_class", "levels_of_the_day"),
        _hail,
    ),
    "thunderstorm": Own(
        ("max_dbz", "echo_top_18_km", "h45_above_h0_km", "observed_fraction"),
        ("top18_open", "top18_above_h0_km", "flash_rate_min"),
        _thunderstorm,
    ),
    "gale": Own(
        ("speed_m_s", "vil_kg_m2", "echo_top_18_km", "vil_density_g_m3", "observed_fraction"),
        (
            "radial_wind_low_m_s", "velocity_fraction", "wind_view", "marc_m_s", "divergence_low_s1", "folded_fraction",
            "bow", "gust_front_km", "gust_near_m_s", "gust_near_witnesses",
        ),
        _gale,
    ),
}  # fmt: skip
"""What the table of features does not hold (MESH75, the direction of motion) changes no probability."""


def rule_columns(samples: Samples) -> dict[str, Doubles]:
    """Name on the board -> number of each row (n,), NaN where the rule has no opinion.

    The columns of `samples.baselines`, the published rules whose column is there, and our own rule where all that it
    needs is there.
    """
    frame = samples.frame
    found = {name: frame[name].to_numpy(dtype=np.float64) for name in samples.baselines}
    for name, column in PUBLISHED.get(samples.hazard, ()):
        if column in samples.features:
            found[name] = frame[column].to_numpy(dtype=np.float64)
    own = OWN.get(samples.hazard)
    if own is not None and set(own.needs) <= set(samples.features):
        columns = [name for name in (*own.needs, *own.also) if name in samples.features]
        told = [
            own.p({str(name): value for name, value in row.items()})
            for start in range(0, len(frame), CHUNK)
            for row in frame[columns].iloc[start : start + CHUNK].to_dict("records")
        ]
        found[f"wxcore rule {rules.MODELS[samples.hazard]}"] = np.array(told, dtype=np.float64)
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def judged(values: Doubles, y: Doubles, known: Flags, asked: Flags) -> tuple[Doubles, Doubles]:
    """A rule's number as a probability: calibrated on rows `known` as a model is, for those and for rows `asked`.

    Returns:
        Probabilities of the rows `known`, and of the rows `asked`; NaN where the rule says nothing, and everywhere
        where it said nothing of the rows `known`, or they are all of one class.
    """
    there = known & np.isfinite(values)
    if not there.any() or y[there].min() == y[there].max():
        return np.full(int(known.sum()), np.nan), np.full(int(asked.sum()), np.nan)
    low, middle, high = np.percentile(values[there], (10, 50, 90))
    squashed = expit((values - middle) / max(high - low, 1e-9 + abs(middle) * 1e-9))
    calibrator = fit_calibrator(squashed[there], y[there], enough=ENOUGH)
    return calibrated(calibrator, squashed[known]), calibrated(calibrator, squashed[asked])

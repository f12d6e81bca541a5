"""The leaderboard: what each competitor scored on days that it had not seen."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

CLIMATOLOGY, RULE, MODEL = "climatology", "rule", "model"
"""Kinds of competitors. Baselines are all that is not a model."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % block-bootstrap interval (blocks: days). NaN where it cannot be said."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Entry:
    """One competitor in one window, on out-of-fold probabilities.

    Attributes:
        auc, average_precision, brier, skill: of all rows; skill: Brier skill against the climatology of training days.
        ece: expected calibration error: mean |p - frequency| over bins, weighted by their rows.
        threshold: probability from which on (>=) it says yes, chosen on training days for the largest CSI.
        hits, false_alarms, misses, correct_negatives: at its thresholds, each row once.
        better: AUC less that of the best baseline, paired by day; skill_better: the same of Brier skill. None for the
            best baseline itself.
        slices: column -> value -> {"n", "events", "auc", "brier", "baseline_auc", "baseline_brier"}.
    """

    name: str
    kind: str
    window: str
    auc: Interval
    average_precision: float
    brier: Interval
    skill: Interval
    ece: float
    threshold: float
    hits: int
    false_alarms: int
    misses: int
    correct_negatives: int
    better: Interval | None = None
    skill_better: Interval | None = None
    slices: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Board:
    """All competitors of a hazard, and on what.

    Attributes:
        rows, events, censored, days, storms: by window name, raw counts. truth_class: of the labels.
        best_baseline: by window, name of the baseline with the largest Brier skill (AUC where skills tie).
        chosen: by window, name of the model that is kept: the best of the models.
        remarks: what is odd, in words.
    """

    hazard: str
    source: str
    label_text: str
    truth_class: str
    folds: int
    seed: int
    rows: Mapping[str, int]
    events: Mapping[str, int]
    censored: Mapping[str, int]
    days: Mapping[str, int]
    storms: Mapping[str, int]
    entries: tuple[Entry, ...]
    best_baseline: Mapping[str, str]
    chosen: Mapping[str, str]
    remarks: tuple[str, ...] = ()

    def of(self, window: str) -> tuple[Entry, ...]:
        """Its entries, the largest AUC first."""
        mine = [entry for entry in self.entries if entry.window == window]
        return tuple(sorted(mine, key=lambda entry: (-entry.auc.value, entry.name)))

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN as None is the writer's work."""
        return asdict(self)

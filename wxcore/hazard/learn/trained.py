"""What training gives: the models by window, the board, and what their card tells."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wxcore.hazard.learn.board import Board
from wxcore.hazard.learn.fitted import Fitted


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram: mean probability, observed frequency, rows."""

    p: float
    frequency: float
    rows: int


@dataclass(frozen=True)
class Reference:
    """How a feature, or a probability, was spread in training: what drift is measured against.

    Attributes:
        quantiles: at 0, 5, 10 ... 100 % of the values that were there; missing: part that was not.
    """

    quantiles: tuple[float, ...]
    missing: float


@dataclass(frozen=True)
class Trained:
    """By window name, where a mapping says nothing else.

    Attributes:
        fitted: the chosen model, fitted on all days; board: what it and all others scored out of fold.
        reliability: of the chosen model, out of fold.
        importance: (feature, mean loss of AUC when shuffled out of fold, its standard deviation), largest first.
        ablation: source that is taken away (all its features NaN) -> {"auc", "brier", "ece"} of the chosen model, out
            of fold; "" stands for nothing taken away.
        reference: by feature; p_reference: by window.
        digest: sha256 of the samples; first_day, last_day: of the samples.
    """

    board: Board
    fitted: Mapping[str, Fitted]
    reliability: Mapping[str, tuple[Bin, ...]]
    importance: Mapping[str, tuple[tuple[str, float, float], ...]]
    ablation: Mapping[str, Mapping[str, Mapping[str, float]]]
    reference: Mapping[str, Reference]
    p_reference: Mapping[str, Reference]
    digest: str
    first_day: str
    last_day: str
    remarks: tuple[str, ...] = field(default=())

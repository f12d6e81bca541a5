"""What a model is to the trainer: a name, how to make an unfitted one, and what may be chosen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Model:
    """A kind of model.

    Attributes:
        name: on the board; title: what it is, in words.
        make: (seed, directions, parameters) -> an unfitted scikit-learn classifier with fit(X, y, sample_weight) and
            predict_proba that takes a named DataFrame with NaN in it; directions: of each feature, 1 where the
            probability may only rise with it, -1 only fall, 0 anything.
        grid: the parameters among which nested folds choose.
    """

    name: str
    title: str
    make: Callable[[int, Sequence[int], Mapping[str, Any]], Any]
    grid: tuple[Mapping[str, Any], ...] = ({},)

"""A trained model's probabilities of storms, their reasons, and what was missing: rows of schema.PROBABILITIES."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from wxcore.errors import ModelError
from wxcore.hazard.drivers import UNKNOWN, Word, contributions, in_words, words_of
from wxcore.hazard.features.build import missing_groups
from wxcore.hazard.features.catalogue import FEATURES
from wxcore.hazard.learn.calibrate import calibrated, prior_corrected
from wxcore.hazard.opinion import Phrase
from wxcore.hazard.registry.store import Loaded, check_features
from wxcore.hazard.windows import HOUR, WINDOWS, Window
from wxcore.schema import PROBABILITIES

Pair = tuple[tuple[str, ...], tuple[str, ...]]
Doubles = npt.NDArray[np.float64]

NOT_SEEN: Phrase = ("2-D composite only: the model was not asked", "仅有二维组合反射率：模型未作判断")
WORDS: dict[str, Word] = {item.name: Word(item.en, item.zh, item.units, item.group) for item in FEATURES}


def predict(loaded: Loaded, frame: pd.DataFrame, storms: pd.DataFrame) -> pd.DataFrame:
    """Rows of schema.PROBABILITIES: each storm, each window that the model knows, in this order.

    p is NaN where no beam saw the storm in three dimensions (`observed_fraction` 0). A part of the first hour is never
    more probable than the hour: each window has its own model, and where they disagree the part is held to the hour,
    which its drivers say. The hour is as it was calibrated and scored.

    Args:
        frame: `features(...)` of the same storms, in their order; columns beyond the model's are not looked at.
        storms: schema.STORMS: `storm_id` and `observed_fraction`.

    Raises:
        ModelError: the frame lacks features that the model was made with, or the model cannot be evaluated.
    """
    check_features(loaded.card, [str(name) for name in frame])
    windows = [window for window in WINDOWS if window.name in loaded.fitted]
    if unknown := sorted(set(loaded.fitted) - {window.name for window in windows}):
        raise ModelError(
            f"model {loaded.hazard}/{loaded.version}", [f"window {name} is none of ours" for name in unknown]
        )
    blind = ~(storms["observed_fraction"].to_numpy(dtype=np.float64) > 0)
    judged = {window: _judged(loaded, frame, window) for window in windows}
    chance = {window: np.where(blind, np.nan, p) for window, (p, _) in judged.items()}
    told = {window: list(pairs) for window, (_, pairs) in judged.items()}
    for window, row in _hold_parts(chance):
        told[window][row] = _with_held(told[window][row])
    missing = missing_groups(frame)
    rows = [
        (
            storm_id, loaded.hazard, window.start_min, window.end_min, float(chance[window][row]), loaded.version,
            *(((NOT_SEEN[0],), (NOT_SEEN[1],)) if blind[row] else told[window][row]), tuple(missing[row]),
        )
        for row, storm_id in enumerate(storms["storm_id"])
        for window in windows
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=[column.name for column in PROBABILITIES])
    return table.astype({"lead_start_min": "i8", "lead_end_min": "i8", "p": "f8"})


def _judged(loaded: Loaded, frame: pd.DataFrame, window: Window) -> tuple[Doubles, Sequence[Pair]]:
    """Calibrated probability of each row, and its reasons: what `Fitted.probability` gives, out of the same trees."""
    if frame.empty:
        return np.empty(0), []
    fitted = loaded.fitted[window.name]
    names = list(fitted.features)
    matrix = frame.loc[:, names].to_numpy(dtype=np.float64)
    try:
        found = contributions(fitted.estimator, matrix, names)
        if found is None:
            p = np.asarray(fitted.probability(frame), dtype=np.float64)
            return p, [((UNKNOWN[0],), (UNKNOWN[1],))] * len(frame)
        p = calibrated(fitted.calibrator, prior_corrected(np.asarray(expit(found.score)), fitted.kept))
    except (AttributeError, IndexError, TypeError, ValueError) as cause:  # such as of another version of scikit-learn
        raise ModelError(
            f"model {loaded.hazard}/{loaded.version}", [f"window {window.name} cannot be evaluated: {cause}"]
        ) from cause
    return p, list(zip(*in_words(found, matrix, words_of(names, WORDS)), strict=True))


def _hold_parts(chance: dict[Window, Doubles]) -> list[tuple[Window, int]]:
    """Hold each part to the probability of the hour; the parts and rows where that was done."""
    held: list[tuple[Window, int]] = []
    if HOUR not in chance:
        return held
    for window in [window for window in chance if window != HOUR]:
        held += [(window, int(row)) for row in np.flatnonzero(chance[window] > chance[HOUR])]
        chance[window] = np.minimum(chance[window], chance[HOUR])
    return held


def _with_held(pair: Pair) -> Pair:
    return (*pair[0], f"not above that of {HOUR.name} min"), (*pair[1], f"不高于{HOUR.name}分钟时段的概率")

"""A model that was fitted for one lead window: estimator, calibration, and the thinning of negatives undone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wxcore.hazard.learn.calibrate import calibrated, prior_corrected

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """Of one window.

    Attributes:
        estimator: a fitted scikit-learn classifier of `features`, in this order.
        calibrator: as `calibrate.fit_calibrator` gives it; None: as the estimator says.
        kept: part of the negatives that it was fitted with, 0..1.
    """

    estimator: Any
    calibrator: Any
    features: tuple[str, ...]
    kept: float = 1.0

    def raw(self, frame: pd.DataFrame) -> Doubles:
        """Probability before calibration, (n,): with the thinning of negatives undone."""
        found = self.estimator.predict_proba(frame.loc[:, list(self.features)])[:, 1]
        return prior_corrected(np.asarray(found, dtype=np.float64), self.kept)

    def probability(self, frame: pd.DataFrame) -> Doubles:
        """Calibrated probability, (n,).

        Raises:
            KeyError: a feature is not there.
        """
        return calibrated(self.calibrator, self.raw(frame))

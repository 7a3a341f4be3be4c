"""Adaptive conformal inference: a threshold that follows a policy that drifts.

Gibbs and Candes, "Adaptive conformal inference under distribution shift", NeurIPS 2021:
alpha_{t+1} = alpha_t + gamma (alpha - error_t). Whatever the episodes, the share of false alarms
over T of them is within (max(alpha_1, 1 - alpha_1) + gamma) / (gamma T) of alpha.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_predictor.calibration.conformal import conformal_threshold

Array = NDArray[np.float64]


@dataclass
class AdaptiveThreshold:
    """The threshold of one channel, corrected after every successful episode.

    Attributes:
        scores: (n,) of the calibration episodes.
        alpha: false-alarm rate per successful episode that is aimed at.
        gamma: how fast it adapts.
    """

    scores: Array
    alpha: float
    gamma: float = 0.02
    _working: float = field(init=False)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or not 0 < self.gamma < 1:
            raise FormatError(
                f"alpha {self.alpha} and gamma {self.gamma} must be above 0 and below 1"
            )
        self._working = self.alpha

    @property
    def working_rate(self) -> float:
        """The rate that is used at present; outside 0 to 1 after a long run of one kind."""
        return self._working

    @property
    def threshold(self) -> float:
        """At present: infinite where no alarm may come any more, minus infinite where all must."""
        if self._working <= 0:
            return float("inf")
        if self._working >= 1:
            return float("-inf")
        return conformal_threshold(self.scores, self._working)

    def update(self, score: float) -> bool:
        """Take the score of an episode that succeeded; whether it had seen a false alarm."""
        alarmed = score > self.threshold
        self._working += self.gamma * (self.alpha - alarmed)
        return alarmed

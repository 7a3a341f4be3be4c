"""A forecast as the supervisor reads it."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class RiskLevel(IntEnum):
    """How a probability compares with the model's calibrated thresholds."""

    UNKNOWN = 0
    NORMAL = 1
    ELEVATED = 2
    ALARM = 3


@dataclass(frozen=True)
class Risk:
    """What the predictor says of one step.

    Attributes:
        step: index of the observation it follows from.
        horizons: (H,) s, strictly growing.
        failure_types: (C,) in the order of their numbers.
        probability: (H, C), 0 to 1.
        levels: (H, C) `RiskLevel`.
        calibration_id: of the calibration on the policy that is watched; empty where it has none.
        stale_reason: why there is no forecast; empty where there is one.
    """

    step: int
    horizons: NDArray[np.float64]
    failure_types: tuple[str, ...]
    probability: NDArray[np.float64]
    levels: NDArray[np.uint8]
    calibration_id: str = ""
    stale_reason: str = ""

    @property
    def fault(self) -> str:
        """Why it may not be acted on; empty where it may."""
        if self.stale_reason:
            return f"stale forecast: {self.stale_reason}"
        shape = (len(self.horizons), len(self.failure_types))
        if self.probability.shape != shape or self.levels.shape != shape:
            return f"forecast has shape {self.probability.shape}, not {shape}"
        # NaN fails every comparison.
        if not all(0 <= cell <= 1 for cell in self.probability.ravel().tolist()):
            return "forecast is not a probability in some cell"
        return ""

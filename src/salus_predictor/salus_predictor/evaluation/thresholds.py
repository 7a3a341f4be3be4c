"""Thresholds, always chosen on validation episodes and never on those that are scored."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_predictor.calibration.conformal import (
    conformal_threshold,
    highest_risks,
    success_risks,
)
from salus_predictor.calibration.thresholds import f1_thresholds
from salus_predictor.model.base import Forecasts
from salus_predictor.steps import StepData

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """Where a predictor says yes.

    Attributes:
        f1: (H, C) of the step-level metrics; a cell is predicted at or above it.
        alarm: (C,) of the probability at the longest horizon; an alarm is on strictly above it.
        far_nominal: the share of successful episodes with any alarm that `alarm` was set for.
        source: on which episodes they were chosen.
    """

    f1: Array
    alarm: Array
    far_nominal: float
    source: str

    @classmethod
    def choose(
        cls, data: StepData, forecasts: Forecasts, *, far: float, source: str = "validation"
    ) -> Self:
        """Choose on validation episodes.

        Args:
            data: the validation episodes.
            forecasts: for them, by a predictor that was not fitted to them.
            far: share of successful episodes that may see an alarm, above 0 and below 1.
            source: what to call these episodes.
        """
        return cls(
            f1_thresholds(data, forecasts.probability),
            alarm_thresholds(data, forecasts, far),
            far,
            source,
        )

    def to_json(self) -> dict[str, Any]:
        """As plain data; null stands for infinite."""
        return {
            "f1": [[_finite(v) for v in row] for row in self.f1],
            "alarm": [_finite(v) for v in self.alarm],
            "far_nominal": self.far_nominal,
            "source": self.source,
        }

    def check(self, n_horizons: int, n_types: int) -> None:
        """Raise FormatError unless there is a threshold for every horizon and type."""
        if self.f1.shape != (n_horizons, n_types) or self.alarm.shape != (n_types,):
            raise FormatError(
                f"thresholds have shapes {self.f1.shape} and {self.alarm.shape}, the data has "
                f"{n_horizons} horizons and {n_types} types"
            )


def alarm_thresholds(data: StepData, forecasts: Forecasts, far: float) -> Array:
    """Conformal thresholds of the types' risks from successful episodes, (C,).

    Each type gets the share far / C, so that all types together raise an alarm in at most a share
    `far` of successful episodes; infinite where there are too few for that promise.
    """
    scores = highest_risks(success_risks(data, forecasts), forecasts.outcome.shape[1])
    n_types = scores.shape[1] - 1
    return np.array([conformal_threshold(s, far / n_types) for s in scores.T[:-1]])


def watched_rows(data: StepData, episode: int) -> int:
    """Rows of an episode at which a forecast is asked for: those before its event."""
    onset = data.records[episode].onset_step
    return onset if onset >= 0 else int(data.lengths[episode])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

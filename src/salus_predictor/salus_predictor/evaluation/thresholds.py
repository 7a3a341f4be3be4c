"""Thresholds, always chosen on validation episodes and never on those that are scored."""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from salus_data.errors import FormatError
from salus_data.types import Outcome
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

NEVER: Final = float("inf")
"""A threshold that no probability reaches."""


def best_f1_thresholds(data: StepData, probability: Array) -> Array:
    """For every cell the threshold with the best F1 on this data, (H, C).

    A cell without a positive valid row is never predicted (`NEVER`), nor is a probability of 0.
    """
    horizons, types = data.contract.horizons, data.contract.failure_types
    found = np.full((len(horizons), len(types)), NEVER)
    for h in range(len(horizons)):
        for c in range(len(types)):
            rows = data.valid[:, h, c]
            label = data.labels[rows, h, c] > 0
            if label.any():
                found[h, c] = _best(label, probability[rows, h, c])
    return found


def _best(label: NDArray[np.bool_], score: Array) -> float:
    precision, recall, level = precision_recall_curve(label, score)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = 2 * precision * recall / (precision + recall)
    f1 = np.where(level > 0, np.nan_to_num(f1[:-1]), -1)
    best = int(np.argmax(f1))
    return float(level[best]) if f1[best] > 0 else NEVER


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
        cls, data: StepData, probability: Array, *, far: float, source: str = "validation"
    ) -> Self:
        """Choose on validation episodes.

        Args:
            data: the validation episodes.
            probability: (N, H, C) forecasts for them, by a predictor that was not fitted to them.
            far: share of successful episodes that may see an alarm, above 0 and below 1.
            source: what to call these episodes.
        """
        return cls(
            best_f1_thresholds(data, probability),
            alarm_thresholds(data, probability, far),
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


def alarm_thresholds(data: StepData, probability: Array, far: float) -> Array:
    """Conformal thresholds from successful episodes, one for each type, (C,).

    The score of an episode is the highest probability at the longest horizon before its end; the
    threshold of a type is the order statistic ceil((n + 1)(1 - far / C)) of n such scores, so that
    all types together raise an alarm in at most a share `far` of successful episodes.
    """
    highest = success_maxima(data, probability)
    n, n_types = highest.shape
    rank = int(np.ceil((n + 1) * (1 - far / n_types) - 1e-12))
    if rank > n:
        return np.full(n_types, NEVER)
    return np.asarray(np.sort(highest, axis=0)[rank - 1])


def success_maxima(data: StepData, probability: Array) -> Array:
    """(S, C) the highest probability at the longest horizon in each of S successful episodes."""
    chosen = [e for e, record in enumerate(data.records) if record.outcome is Outcome.SUCCESS]
    rows = [slice(data.starts[e], data.starts[e] + watched_rows(data, e)) for e in chosen]
    if not rows:
        return np.empty((0, probability.shape[2]))
    return np.stack([probability[r, -1].max(axis=0, initial=0.0) for r in rows])


def watched_rows(data: StepData, episode: int) -> int:
    """Rows of an episode at which a forecast is asked for: those before its event."""
    onset = data.records[episode].onset_step
    return onset if onset >= 0 else int(data.lengths[episode])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

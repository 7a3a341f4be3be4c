"""The few figures that training watches on validation episodes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from salus_predictor.steps import StepData
from salus_predictor.training.halves import Each

Array = NDArray[np.float64]
type Cell = tuple[float, float, float]
"""AP, F1 and chance of a horizon and type; NaN without positive or without negative rows."""


@dataclass(frozen=True)
class Watched:
    """Step-level figures (H, C); NaN for a cell without positive or without negative rows.

    Attributes:
        ap: average precision.
        f1: F1 at its best threshold.
        chance: F1 of a model that knows nothing: everything positive, 2 p / (1 + p).
    """

    ap: Array
    f1: Array
    chance: Array

    @property
    def macro_ap(self) -> float:
        """Mean over the cells that have a figure; 0 where none has."""
        return _mean(self.ap)

    @property
    def macro_f1(self) -> float:
        """Mean over the cells that have a figure; 0 where none has."""
        return _mean(self.f1)


def watch(data: StepData, probability: Array, each: Each = map) -> Watched:
    """Score forecasts (N, H, C).

    Args:
        data: N rows.
        probability: of them.
        each: calls a function for every cell; `halves` has two at a time.
    """
    horizons, types = probability.shape[1:]

    def score(cell: int) -> Cell:
        h, c = divmod(cell, types)
        rows = data.valid[:, h, c]
        label = data.labels[rows, h, c] > 0
        if not label.any() or label.all():
            return math.nan, math.nan, math.nan
        precision, recall, _ = precision_recall_curve(label, probability[rows, h, c])
        # As `average_precision_score` has it, from the curve that F1 needs as well.
        ap = -np.sum(np.diff(recall) * precision[:-1])
        both = precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
        return float(ap), float(2 * both.max()), float(2 * label.mean() / (1 + label.mean()))

    scores = np.array(list(each(score, range(horizons * types))))
    ap, f1, chance = scores.T.reshape(3, horizons, types)
    return Watched(ap, f1, chance)


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0

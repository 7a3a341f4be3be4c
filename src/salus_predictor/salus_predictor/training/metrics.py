"""The few figures that training watches on validation episodes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        said = probability[rows, h, c]
        # Both figures rise only at the score of a positive row: what counts is how many rows, and
        # how many positive ones, are at or above it.
        every, positive = np.sort(said), np.sort(said[label])
        above = len(every) - np.searchsorted(every, positive)
        hits = len(positive) - np.searchsorted(positive, positive)
        f1 = 2 * hits / (above + len(positive))
        share = len(positive) / len(every)
        return float((hits / above).mean()), float(f1.max()), 2 * share / (1 + share)

    scores = np.array(list(each(score, range(horizons * types))))
    ap, f1, chance = scores.T.reshape(3, horizons, types)
    return Watched(ap, f1, chance)


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0

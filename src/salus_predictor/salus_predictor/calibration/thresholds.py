"""Thresholds of the step metrics: the best F1 on validation episodes, cell by cell."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_predictor.steps import StepData

Array = NDArray[np.float64]

NEVER: Final = float("inf")
"""A threshold that no probability reaches."""


def best_f1(label: NDArray[np.bool_], score: Array) -> tuple[float, float]:
    """The threshold with the best F1, and that F1; a row is positive at or above the threshold.

    The threshold lies midway to the next lower score, so that it does not hang on one row.

    Args:
        label: (N,) at least one of them true.
        score: (N,).
    """
    order = np.argsort(-score, kind="stable")
    sorted_score = score[order]
    hits = np.cumsum(label[order])
    f1 = 2 * hits / (np.arange(1, len(label) + 1) + hits[-1])
    # A threshold cannot part equal scores.
    last = np.append(sorted_score[1:] < sorted_score[:-1], True)
    best = int(np.argmax(np.where(last, f1, -1)))
    below = sorted_score[best + 1] if best + 1 < len(score) else sorted_score[best]
    return float((sorted_score[best] + below) / 2), float(f1[best])


def f1_thresholds(data: StepData, probability: Array) -> Array:
    """(H, C); `NEVER` for a cell without a positive valid row."""
    shape = probability.shape[1:]
    found = np.full(shape, NEVER)
    for h, c in np.ndindex(*shape):
        rows = data.valid[:, h, c]
        label = data.labels[rows, h, c] > 0
        if label.any():
            found[h, c] = best_f1(label, probability[rows, h, c])[0]
    return found

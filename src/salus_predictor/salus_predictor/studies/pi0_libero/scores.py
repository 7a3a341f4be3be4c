"""How well scores order episodes: over all of them, within tasks, and with what certainty."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

MEASURES: Final = ("pooled", "within")

Array = NDArray[np.float64]


def pair_wins(score: Array, failed: NDArray[np.bool_]) -> Array:
    """(failures, successes): 1 where the failure scores higher, 0.5 where both are equal."""
    bad, good = score[failed][:, None], score[~failed][None, :]
    return np.asarray((bad > good) + 0.5 * (bad == good), dtype=np.float64)


def pooled_auc(score: Array, failed: NDArray[np.bool_], weight: Array | None = None) -> float:
    """Share of (failure, success) pairs in which the failure scores higher; NaN without pairs."""
    w = np.ones(len(score)) if weight is None else weight
    pairs = w[failed][:, None] * w[~failed][None, :]
    total = pairs.sum()
    return float((pairs * pair_wins(score, failed)).sum() / total) if total > 0 else float("nan")


def within_auc(
    score: Array, failed: NDArray[np.bool_], task: NDArray[np.int64], weight: Array | None = None
) -> float:
    """Mean over the tasks that have both endings of the AUC within the task."""
    w = np.ones(len(score)) if weight is None else weight
    found = [pooled_auc(score[task == k], failed[task == k], w[task == k]) for k in np.unique(task)]
    known = [value for value in found if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def measure(
    name: str, score: Array, failed: NDArray[np.bool_], task: NDArray[np.int64], weight: Array
) -> float:
    """One of `MEASURES`."""
    if name == "pooled":
        return pooled_auc(score, failed, weight)
    return within_auc(score, failed, task, weight)


def bootstrap_weights(
    ids: Sequence[str],
    failed: NDArray[np.bool_],
    task: NDArray[np.int64],
    *,
    draws: int,
    seed: int = 0,
) -> NDArray[np.int64]:
    """How often each episode is drawn, (draws, E), with replacement within task and ending.

    Seeds share episodes, so an episode is drawn once for all of them: the draws are those of the
    500 episodes, and every seed's test set takes the weights of its own.
    """
    generator = np.random.default_rng(seed)
    weights = np.zeros((draws, len(ids)), dtype=np.int64)
    for k in np.unique(task):
        for ending in (False, True):
            members = np.flatnonzero((task == k) & (failed == ending))
            if len(members):
                shares = np.full(len(members), 1 / len(members))
                weights[:, members] = generator.multinomial(len(members), shares, size=draws)
    return weights

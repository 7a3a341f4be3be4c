"""Average precision and AUROC under many weightings of the episodes at once.

Both change only where a positive stands in the ranking. Rows are therefore counted between the
distinct scores of the positives, for each episode, and a weighting is one product with that sparse
table: exact, ties included, and the same as scikit-learn's with `sample_weight`.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]


def rank_metrics(
    label: NDArray[np.bool_], score: Array, episode: NDArray[np.int64], weights: Array
) -> tuple[Array, Array]:
    """Average precision and AUROC.

    Args:
        label: (n,).
        score: (n,) higher means more likely.
        episode: (n,) number of the episode of each row, 0 .. E-1.
        weights: (R, E) weight of each episode in each of R weightings.

    Returns:
        average precision (R,), NaN without a positive; AUROC (R,), NaN without both classes.
    """
    nothing = np.full(len(weights), np.nan)
    if not label.any():
        return nothing, nothing
    levels = np.unique(score[label])  # ascending, (m,)
    below = np.searchsorted(levels, score)
    equal = (below < len(levels)) & (levels[np.minimum(below, len(levels) - 1)] == score)
    # Even bins lie between two levels, odd ones are the levels themselves.
    place = 2 * below + equal
    shape = (weights.shape[1], 2 * len(levels) + 1)
    positive, negative = (
        _sums(weights, episode[rows], place[rows], shape) for rows in (label, ~label)
    )
    positive = positive[:, 1::2]
    n_positive, n_negative = positive.sum(axis=1), negative.sum(axis=1)
    beneath = np.cumsum(negative, axis=1)
    at_or_above = n_negative[:, None] - beneath[:, 0:-1:2]
    hits = np.cumsum(positive[:, ::-1], axis=1)[:, ::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(hits > 0, hits / (hits + at_or_above), 0.0)
        ap = (positive * precision).sum(axis=1) / n_positive
        ordered = (positive * (beneath[:, 0:-1:2] + negative[:, 1::2] / 2)).sum(axis=1)
        auroc = ordered / (n_positive * n_negative)
    return ap, auroc


def _sums(
    weights: Array, episode: NDArray[np.int64], place: NDArray[np.int64], shape: tuple[int, int]
) -> Array:
    """Weight in every bin, (R, bins)."""
    ones = np.ones(len(episode))
    table = sparse.coo_array((ones, (episode, place)), shape=shape).tocsr()
    result: Array = np.asarray((table.T @ weights.T).T)
    return result

"""Whether chunks that were sampled at different steps agree where they overlap.

STAC: Agia et al. 2024, "Unpacking Failure Modes of Generative Policies: Runtime Monitoring of
Consistency and Progress" (https://arxiv.org/abs/2410.04640), with the maximum mean discrepancy of
Gretton et al. 2012 ("A Kernel Two-Sample Test") between the samples of both steps.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BANDWIDTHS: Final = (0.05, 0.1, 0.2, 0.4)
"""Widths of the kernels, as root-mean-square distance per component, in half ranges. Fixed, since
widths that follow the data (the median of the distances) divide out how far it has moved."""


def overlap(before: Array, now: Array, lag: int) -> tuple[Array, Array]:
    """The steps that two samples of chunks share.

    Args:
        before: (..., T, D) sampled `lag` steps before `now`.
        now: (..., T, D).
        lag: in steps, 0 to T - 1.

    Returns:
        Both as (..., T - lag, D).
    """
    length = now.shape[-2] - lag
    return before[..., lag:, :], now[..., :length, :]


def maximum_mean_discrepancy(x: Array, y: Array) -> float:
    """Biased squared MMD between two sets of points, averaged over `BANDWIDTHS`.

    The kernel is exp(-|a - b|² / (2 n h²)) for points with n components and a bandwidth h.

    Args:
        x: (N, n) points of the one set.
        y: (M, n) points of the other.

    Returns:
        0 (the same set) to 2.
    """
    points = np.concatenate([x, y])
    squares = (points**2).sum(axis=1)
    squared = np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0.0) / x.shape[1]
    # Cancellation leaves noise on the diagonal, which would keep equal sets apart.
    np.fill_diagonal(squared, 0.0)
    widths = np.array(BANDWIDTHS)[:, None, None]
    kernel = np.exp(-squared / (2 * widths**2)).mean(axis=0)
    weights = np.concatenate([np.full(len(x), 1 / len(x)), np.full(len(y), -1 / len(y))])
    return float(max(weights @ kernel @ weights, 0.0))


def stac(before: Array, now: Array, lag: int) -> float:
    """Squared MMD between all samples of two steps over the steps that they share.

    Args:
        before: (K, S, T, D) sampled `lag` steps before `now`.
        now: (K, S, T, D).
        lag: in steps, 0 to T - 1.
    """
    pair = overlap(before, now, lag)
    x, y = (part.reshape(part.shape[0] * part.shape[1], -1) for part in pair)
    return maximum_mean_discrepancy(x, y)


def stac_single(before: Array, now: Array, lag: int) -> float:
    """Root-mean-square difference of two chunks over the steps that they share.

    Args:
        before: (T, D) planned `lag` steps before `now`.
        now: (T, D).
        lag: in steps, 0 to T - 1.
    """
    x, y = overlap(before, now, lag)
    return float(np.sqrt(((x - y) ** 2).mean()))

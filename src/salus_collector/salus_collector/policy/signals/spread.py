"""How far members disagree, and how far one member's own samples spread."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def member_variance(samples: Array) -> Array:
    """Unbiased variance over members under the same noise, averaged over noises.

    Args:
        samples: (K, S, ...), K and S 1 or more.

    Returns:
        (...) 0 or more; NaN with fewer than two members, which have no variance.
    """
    if samples.shape[0] < 2:
        return np.full(samples.shape[2:], np.nan)
    return np.asarray(samples.var(axis=0, ddof=1).mean(axis=0))


def noise_variance(samples: Array) -> Array:
    """Unbiased variance over the noises of one member, averaged over members.

    Args:
        samples: (K, S, ...), K and S 1 or more.

    Returns:
        (...) 0 or more; NaN with fewer than two noises.
    """
    if samples.shape[1] < 2:
        return np.full(samples.shape[2:], np.nan)
    return np.asarray(samples.var(axis=1, ddof=1).mean(axis=0))


def root_mean(variance: Array) -> float:
    """Root of the mean of variances, over everything that is left of the array."""
    return float(np.sqrt(variance.mean()))


def root_largest(variance: Array) -> float:
    """Root of the largest of variances."""
    return float(np.sqrt(variance.max()))

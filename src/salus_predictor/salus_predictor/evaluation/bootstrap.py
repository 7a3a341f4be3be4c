"""The episode bootstrap: whole episodes are drawn again, as weights, so that no row is copied.

Steps of one episode are not independent, so an interval that resamples steps is far too narrow.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEFAULT_REPLICATES: Final = 300


def episode_weights(
    n_episodes: int, replicates: int = DEFAULT_REPLICATES, *, seed: int = 0
) -> Array:
    """How often each episode is drawn, in each replicate.

    Args:
        n_episodes: E.
        replicates: B.
        seed: of the draws.

    Returns:
        (1 + B, E) counts; the first row is all ones, the data as it is.
    """
    share = np.full(n_episodes, 1 / n_episodes)
    drawn = np.random.default_rng(seed).multinomial(n_episodes, share, size=replicates)
    return np.concatenate([np.ones((1, n_episodes)), drawn])


def weighted_quantile(values: Array, weights: Array, share: float) -> Array:
    """The smallest value at which a `share` of the weight lies at or below it, for each weighting.

    Args:
        values: (n,).
        weights: (R, n), 0 or more.
        share: 0 to 1.

    Returns:
        (R,), NaN where all weights are 0. For a share of 0.5 of an even number of values it is the
        mean of the two in the middle, as the median is.
    """
    if values.size == 0:
        return np.full(len(weights), np.nan)
    order = np.argsort(values, kind="stable")
    ranked, mass = values[order], np.cumsum(weights[:, order], axis=1)
    total = mass[:, -1]
    goal = share * total[:, None]
    low = np.argmax(mass >= goal - 1e-9, axis=1)
    high = np.argmax(mass > goal + 1e-9, axis=1)
    # Nothing lies above the last value.
    high = np.where((mass > goal + 1e-9).any(axis=1), high, low)
    result = (ranked[low] + ranked[high]) / 2
    return np.where(total > 0, result, np.nan)

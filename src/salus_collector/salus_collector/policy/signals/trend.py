"""The slope of a signal over its last steps."""

import numpy as np
from numpy.typing import ArrayLike


def slope(values: ArrayLike, period: float) -> float:
    """Least-squares slope [1/s] of equally spaced values, the last one being the newest.

    Args:
        values: (N,) N of 2 or more.
        period: seconds between two values.
    """
    array = np.asarray(values, dtype=np.float64)
    time = period * (np.arange(len(array)) - (len(array) - 1) / 2)
    return float(time @ array / (time @ time))

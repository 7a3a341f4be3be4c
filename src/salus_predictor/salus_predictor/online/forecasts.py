"""What follows from probabilities: levels against thresholds, and the time to expect."""

import numpy as np
from numpy.typing import NDArray

from salus_predictor.supervisor.risk import RiskLevel

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-6
"""Below this probability within the last horizon, no time is expected."""


def risk_levels(probability: Array, elevated: Array, alarm: Array) -> NDArray[np.uint8]:
    """The `RiskLevel` of every cell (H, C); an infinite threshold is never reached."""
    levels = np.full(probability.shape, RiskLevel.NORMAL, np.uint8)
    levels[probability >= elevated] = RiskLevel.ELEVATED
    levels[probability >= alarm] = RiskLevel.ALARM
    return levels


def expected_times(probability: Array, horizons: Array) -> Array:
    """Expected time [s] to each failure, given that it comes within the last horizon: (C,).

    The probabilities (H, C) are cumulative incidences at `horizons` (H,) [s]. Between two horizons
    the failure is as likely at any time, so each share of probability counts at their middle:
    sum_h (F[h] - F[h-1]) (horizon[h] + horizon[h-1]) / 2 / F[H]. NaN where F[H] is negligible.
    """
    middle = horizons.astype(np.float64)
    middle[1:] += horizons[:-1]
    middle /= 2
    share = probability.copy()
    share[1:] -= probability[:-1]
    last = probability[-1]
    times: Array = np.full(probability.shape[1], np.nan)
    np.divide(middle @ share, last, out=times, where=last > NEGLIGIBLE)
    return times


def bounded(probability: Array) -> Array:
    """Without the rounding that `why_no_probability` lets pass; np.clip takes thrice the time."""
    within: Array = np.minimum(np.maximum(probability, 0.0), 1.0)
    return within


def why_no_probability(probability: Array, outcome: Array, shape: tuple[int, int]) -> str:
    """Why a model's answer is no forecast; empty where it is one."""
    if probability.shape != shape or outcome.shape != (shape[1] + 1,):
        return f"the model answered with shapes {probability.shape} and {outcome.shape}"
    for name, values in (("probability", probability), ("outcome", outcome)):
        # One NaN makes both extremes NaN, which fails the comparison.
        if values.size and not -NEGLIGIBLE <= values.min() <= values.max() <= 1 + NEGLIGIBLE:
            return f"the model answered with a {name} that is NaN or outside 0 to 1"
    return ""

"""Conformal alarm thresholds: a stated false-alarm rate per successful episode.

The score of an episode is its highest risk. If a new successful episode is exchangeable with n
calibration episodes, its score exceeds their k-th smallest with probability at most
1 - k / (n + 1) (Vovk, Gammerman and Shafer, "Algorithmic learning in a random world", 2005). So
k = ceil((n + 1)(1 - alpha)); where k > n the threshold is infinite: so few episodes support no
such promise. An alarm is on strictly above its threshold.
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_data.types import Outcome
from salus_predictor.model.base import Forecasts
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

ANY = "any"
"""Name of the channel for a failure of whatever type, beside those of the types."""


def conformal_threshold(scores: Array, alpha: float) -> float:
    """The threshold of n calibration scores (n,) at false-alarm rate `alpha`.

    Raises:
        FormatError: alpha is not above 0 and below 1.
    """
    if not 0 < alpha < 1:
        raise FormatError(f"false-alarm rate {alpha}; give a number above 0 and below 1")
    n = len(scores)
    # The small number undoes rounding: 0.9 * 10 must be 9 and not a little more.
    rank = ceil((n + 1) * (1 - alpha) - 1e-9)
    return float(np.sort(scores)[rank - 1]) if rank <= n else float("inf")


def smallest_rate(n: int) -> float:
    """The lowest false-alarm rate for which n episodes give a finite threshold."""
    return 1 / (n + 1)


def channels(failure_types: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the risks that are watched: every type, then any of them."""
    return (*failure_types, ANY)


def risk_of(forecasts: Forecasts) -> Array:
    """(N, C + 1) the risk of each channel: the probability of failure within the longest horizon.

    Where failures were never dated, it is the probability that the episode ends in it.
    """
    risk = forecasts.probability[:, -1]
    if np.isnan(risk).any():
        risk = forecasts.outcome[:, 1:]
    return np.column_stack([risk, risk.sum(axis=1)])


def success_episodes(data: StepData) -> list[int]:
    """Numbers of the episodes that succeeded by themselves."""
    return [
        number
        for number, record in enumerate(data.records)
        if record.outcome is Outcome.SUCCESS and record.first_intervention_step < 0
    ]


def success_risks(data: StepData, forecasts: Forecasts) -> list[Array]:
    """The risks (T, C + 1) of every successful episode, over the rows before its end."""
    risk = risk_of(forecasts)
    found = []
    for number in success_episodes(data):
        onset = data.records[number].onset_step
        rows = data.rows(number)
        found.append(risk[rows.start : rows.start + onset] if onset > 0 else risk[rows])
    return found


def highest_risks(risks: list[Array], n_channels: int) -> Array:
    """Scores (S, channels) of S episodes."""
    if not risks:
        return np.empty((0, n_channels))
    return np.stack([risk.max(axis=0) for risk in risks])

"""Fits the scaling of logits on validation rows: maximum likelihood, held near no change."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from salus_predictor.model.hazards import UNKNOWN_OUTCOME, Targets, log_softmax
from salus_predictor.model.scaling import Scaling

Array = NDArray[np.float64]

PRIOR: Final = 5.0
"""Weight of the squared change of slope and offsets, in units of one row's log-likelihood."""

SLOPES: Final = (0.05, 5.0)
"""Bounds of the slope: above 0, so that the order of forecasts of one type stays."""


def fit_hazard_scaling(logits: Array, targets: Targets) -> Scaling:
    """For hazard logits (N, H, C + 2), over the bins that are at risk."""
    return _fit(logits[targets.at_risk], targets.risk[targets.at_risk])


def fit_outcome_scaling(logits: Array, targets: Targets) -> Scaling:
    """For outcome logits (N, C + 1), over the rows where the outcome is asked."""
    asked = targets.outcome != UNKNOWN_OUTCOME
    return _fit(logits[asked], targets.outcome[asked])


def _fit(logits: Array, classes: NDArray[np.int64]) -> Scaling:
    size = logits.shape[-1]
    if not len(logits):
        return Scaling.none(size)
    rows = np.arange(len(logits))
    # A risk's logits side by side: sums over the few risks are faster so.
    logits = np.asfortranarray(logits)

    def loss(parameters: Array) -> tuple[float, Array]:
        slope, offset = parameters[0], np.append(0.0, parameters[1:])
        scaled = slope * logits + offset
        logarithms = log_softmax(scaled)
        value = -logarithms[rows, classes].sum()
        residual = np.exp(logarithms)
        residual[rows, classes] -= 1
        gradient = np.append((residual * logits).sum(), residual.sum(axis=0)[1:])
        change = parameters - start
        return value + PRIOR / 2 * (change @ change), gradient + PRIOR * change

    start = np.append(1.0, np.zeros(size - 1))
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[SLOPES, *[(-5.0, 5.0)] * (size - 1)]
    )
    return Scaling(float(found.x[0]), np.append(0.0, found.x[1:]))

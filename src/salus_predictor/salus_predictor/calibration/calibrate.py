"""Calibrate a predictor on episodes it was not fitted to."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_predictor.calibration.bands import Band
from salus_predictor.calibration.conformal import (
    channels,
    conformal_threshold,
    highest_risks,
    success_risks,
)
from salus_predictor.calibration.fit_scaling import fit_hazard_scaling, fit_outcome_scaling
from salus_predictor.calibration.thresholds import NEVER, f1_thresholds
from salus_predictor.model.hazards import Targets
from salus_predictor.model.predictor import HazardPredictor
from salus_predictor.model.scaling import Scaling
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

DEFAULT_RATE: Final = 0.1
"""False alarms per successful episode, over all types together."""


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and what they were chosen on.

    Attributes:
        f1: (H, C) of the step metrics; a cell is predicted at or above it.
        scores: (S, C + 1) highest risks of successful episodes, types then any of them.
        band: time-varying thresholds.
        alpha: false-alarm rate per successful episode that alarms are set to.
        policies: (name, digest) of the policies that acted.
        episodes: how many were used, S of them successful.
        sources: paths of the stores.
    """

    f1: Array
    scores: Array
    band: Band
    alpha: float
    policies: tuple[tuple[str, str], ...]
    episodes: int
    sources: tuple[str, ...]

    def alarm(self, alpha: float | None = None) -> Array:
        """(C,) alarm thresholds of the types' risks; an alarm is on strictly above.

        Each type gets its share alpha / C, so that all of them together raise an alarm in at most
        a share alpha of successful episodes.
        """
        n_types = self.scores.shape[1] - 1
        rate = (alpha or self.alpha) / n_types
        return np.array([conformal_threshold(s, rate) for s in self.scores.T[:-1]])

    def alarm_any(self, alpha: float | None = None) -> float:
        """The threshold of the risk of any failure, by itself at rate alpha."""
        return conformal_threshold(self.scores[:, -1], alpha or self.alpha)


def rescale(
    predictor: HazardPredictor, logits: tuple[Array, Array], wanted: Targets
) -> HazardPredictor:
    """The predictor with its logits scaled anew, so that its probabilities hold.

    Args:
        predictor: members and weights stay.
        logits: pooled ones of N rows, as `HazardPredictor.logits` gives them.
        wanted: what happened in those rows.
    """
    hazards, outcome = logits
    return replace(
        predictor,
        hazard_scaling=fit_hazard_scaling(hazards, wanted)
        if predictor.dated
        else Scaling.none(hazards.shape[-1]),
        outcome_scaling=fit_outcome_scaling(outcome, wanted),
    )


def choose_thresholds(
    predictor: HazardPredictor, data: StepData, alpha: float = DEFAULT_RATE
) -> Calibration:
    """Thresholds for a predictor on the data; a cell without positives keeps `NEVER`."""
    if not 0 < alpha < 1:
        raise FormatError(f"--far is {alpha}; give a false-alarm rate above 0 and below 1")
    forecasts = predictor.predict(data)
    risks = success_risks(data, forecasts)
    contract = data.contract
    n_channels = len(channels(contract.failure_types))
    shape = (len(contract.horizons), len(contract.failure_types))
    return Calibration(
        f1=f1_thresholds(data, forecasts.probability) if predictor.dated else np.full(shape, NEVER),
        scores=highest_risks(risks, n_channels),
        band=Band.fit(risks, n_channels),
        alpha=alpha,
        policies=((contract.policy, contract.policy_digest),),
        episodes=len(data),
        sources=data.sources,
    )

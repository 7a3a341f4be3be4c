"""Forecasts as messages, and back."""

import numpy as np
from salus_msgs.msg import FailureForecast

from salus_predictor.supervisor.risk import Risk


def risk_from(message: FailureForecast) -> Risk:
    """A forecast as the supervisor reads it; one of the wrong size says so in its `fault`."""
    shape = (len(message.horizons), len(message.failure_types))
    probability = np.asarray(message.probability, np.float64)
    levels = np.asarray(message.levels, np.uint8)
    fits = probability.size == levels.size == shape[0] * shape[1] > 0
    return Risk(
        step=int(message.step),
        horizons=np.asarray(message.horizons, np.float64),
        failure_types=tuple(message.failure_types),
        probability=probability.reshape(shape) if fits else probability,
        levels=levels.reshape(shape) if fits else levels,
        calibration_id=message.calibration_id,
        stale_reason=message.stale_reason,
    )

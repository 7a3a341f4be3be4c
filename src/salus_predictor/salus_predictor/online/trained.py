"""A trained model's folder as a model that is run: `salus.models` knows it by its kind."""

from pathlib import Path

import numpy as np

from salus_predictor.model.reading import load_model
from salus_predictor.online.watched import WatchedModel


def load(folder: Path) -> WatchedModel:
    """Read the folder that `salus train` wrote.

    Alarms are on the longest horizon, where their false-alarm rate is stated. The advisory
    thresholds are those of the best F1, never above an alarm.

    Raises:
        FormatError: a file is missing, truncated, changed, or says what cannot be.
    """
    model = load_model(folder)
    calibration = model.calibration
    # The conformal promise is "strictly above", a level is reached at its threshold.
    above = np.nextafter(calibration.alarm(), np.inf)
    alarm = np.full(calibration.f1.shape, np.inf)
    alarm[-1] = above
    return WatchedModel(
        predictor=model.predictor,
        model_id=model.model_id,
        calibration_id=model.calibration_id,
        policies=calibration.policies,
        elevated=np.minimum(calibration.f1, alarm),
        alarm=alarm,
        scale=model.predictor.normalisation.scale[: len(model.predictor.inputs)],
        embedding_size=model.predictor.embedding_size,
    )

from pathlib import Path

import numpy as np
import pytest

from salus_data.errors import UnknownNameError
from salus_predictor.model.folder import Model
from salus_predictor.model.writing import save_model
from salus_predictor.online.load import load_watched
from salus_predictor.online.trained import load
from salus_predictor.steps import StepData


def test_a_trained_folder_is_run_with_its_thresholds(
    fitted_model: Model, held_data: StepData, tmp_path: Path
) -> None:
    save_model(fitted_model, tmp_path)
    watched = load(tmp_path)
    probability = watched.predictor.predict(held_data).probability
    alarm = fitted_model.calibration.alarm()
    assert ((probability[:, -1] >= watched.alarm[-1]) == (probability[:, -1] > alarm)).all()
    assert (watched.alarm[:-1] == np.inf).all()
    assert (watched.elevated <= watched.alarm).all()
    assert watched.is_calibrated_on(held_data.contract)
    assert watched.model_id
    watched.require_fits(held_data.contract)


def test_the_node_finds_it_by_its_kind(fitted_model: Model, tmp_path: Path) -> None:
    save_model(fitted_model, tmp_path)
    try:
        watched = load_watched(str(tmp_path))
    except UnknownNameError:
        pytest.skip("salus_predictor is not installed with its entry points")
    assert watched.predictor.inputs == fitted_model.predictor.inputs

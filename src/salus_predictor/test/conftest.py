"""The tests are imported by path, so their helpers have to be found by path, too."""

import sys
from pathlib import Path

import pytest
import torch
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from learning import make_data

from salus_predictor.calibration.calibrate import choose_thresholds
from salus_predictor.model.folder import Episodes, Model
from salus_predictor.model.predictor import HazardPredictor
from salus_predictor.model.schema import Provenance
from salus_predictor.steps import StepData
from salus_predictor.training.fit import fit_predictor
from salus_predictor.training.options import TrainOptions

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SMALL = TrainOptions(
    epochs=8,
    learning_rate=0.02,
    width=16,
    rounds=12,
    batch_size=96,
    inputs="slip,effort,gap,stall,noise,object_distance",
)
"""Enough to learn what `learning.py` hides in its signals."""


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small() -> TrainOptions:
    return SMALL


@pytest.fixture(scope="session")
def train_data() -> StepData:
    return make_data(56)


@pytest.fixture(scope="session")
def held_data() -> StepData:
    return make_data(40, first=56)


@pytest.fixture(scope="session")
def fitted(train_data: StepData, held_data: StepData) -> HazardPredictor:
    """A network and trees, averaged; read only."""
    return fit_predictor(train_data, held_data, SMALL)


@pytest.fixture(scope="session")
def fitted_model(fitted: HazardPredictor, train_data: StepData, held_data: StepData) -> Model:
    """The same with thresholds; read only."""
    seeds = (tuple(r.seed for r in data.records) for data in (train_data, held_data))
    calibration = choose_thresholds(fitted, held_data, 0.2)
    return Model(fitted, calibration, Provenance(seed=0), Episodes(*seeds), "average")

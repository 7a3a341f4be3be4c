"""A small predictor for the tests: logistic in a fading mean of its inputs, so it has a state."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from salus_data.contract import Contract
from salus_predictor.model.base import Forecast, Forecasts
from salus_predictor.model.projection import Projection
from salus_predictor.online.watched import WatchedModel
from salus_predictor.steps import StepData

MEMORY = 0.8
INPUTS = ("gripper_gap", "ee_speed", "object_distance")


@dataclass
class FadingStream:
    """One running episode."""

    contract: Contract
    projection: Projection | None = None
    mean: np.ndarray = field(default_factory=lambda: np.zeros(len(INPUTS)))

    def reset(self) -> None:
        self.mean = np.zeros(len(INPUTS))

    def step(self, signals: ArrayLike) -> Forecast:
        row = np.nan_to_num(np.asarray(signals, np.float64))
        if self.projection is not None:
            hidden = self.projection(row[None, len(INPUTS) :])[0]
            row = row[: len(INPUTS)] + np.resize(hidden, len(INPUTS))
        self.mean = MEMORY * self.mean + (1 - MEMORY) * row
        hazards = 1 / (1 + np.exp(4 - 3 * np.resize(self.mean, len(self.contract.failure_types))))
        horizons = np.array(self.contract.horizons)[:, None] / max(self.contract.horizons)
        outcome = np.append(1 - hazards.mean(), hazards / len(hazards))
        return Forecast(hazards * horizons, outcome / outcome.sum())


@dataclass(frozen=True)
class Fading:
    """Reads three of the robot's own signals, and the policy's hidden state if it is to."""

    contract: Contract
    name: str = "fading"
    inputs: tuple[str, ...] = INPUTS
    projection: Projection | None = None

    def stream(self) -> FadingStream:
        return FadingStream(self.contract, self.projection)

    def predict(self, data: StepData) -> Forecasts:
        names = list(data.signal_names)
        columns = [names.index(name) for name in self.inputs]
        rows = data.signals[:, columns]
        if self.projection is not None:
            assert data.embedding is not None
            rows = np.concatenate([rows, data.embedding.astype(np.float32)], axis=1)
        forecasts = []
        for episode in range(len(data)):
            stream = self.stream()
            forecasts += [stream.step(row) for row in rows[data.rows(episode)]]
        return Forecasts(
            np.stack([f.probability for f in forecasts]), np.stack([f.outcome for f in forecasts])
        )


def watched(contract: Contract, *, alarm: float = 0.5, elevated: float = 0.2) -> WatchedModel:
    """The small predictor as it is run, calibrated on the policy of the contract."""
    shape = (len(contract.horizons), len(contract.failure_types))
    return WatchedModel(
        Fading(contract),
        "model-1",
        "calibration-1",
        ((contract.policy, contract.policy_digest),),
        np.full(shape, elevated),
        np.full(shape, alarm),
        np.ones(len(INPUTS)),
    )

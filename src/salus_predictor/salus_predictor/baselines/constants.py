"""Baselines that look at nothing: never, and as often as in training."""

from dataclasses import dataclass

import numpy as np

from salus_data.contract import Contract
from salus_predictor.baselines.base import BinnedMap, RowStream, require_fit
from salus_predictor.model.base import Forecasts, Predictor, Stream
from salus_predictor.steps import StepData


@dataclass(frozen=True)
class Constant:
    """The same forecast at every step."""

    name: str
    contract: Contract
    mapping: BinnedMap
    inputs: tuple[str, ...] = ()

    def predict(self, data: StepData) -> Forecasts:
        """The forecasts of all rows."""
        require_fit(self.contract, self.inputs, data)
        return self.mapping(np.zeros(data.n_rows))

    def stream(self) -> Stream:
        """A stream of the same forecast."""
        return RowStream(self)


class AlwaysNegative:
    """Every episode succeeds; what accuracy alone would reward."""

    name = "always_negative"

    def fit(self, train: StepData, validation: StepData, *, seed: int) -> Predictor:
        """Learn nothing."""
        del validation, seed
        horizons, types = len(train.contract.horizons), len(train.contract.failure_types)
        outcome = np.zeros((2, types + 1))
        outcome[:, 0] = 1
        mapping = BinnedMap(np.empty(0), np.zeros((2, horizons, types)), outcome)
        return Constant(self.name, train.contract, mapping)


class BaseRate:
    """The prevalence of every cell, and of every outcome, in training."""

    name = "base_rate"

    def fit(self, train: StepData, validation: StepData, *, seed: int) -> Predictor:
        """Count."""
        del validation, seed
        mapping = BinnedMap.fit(np.zeros(train.n_rows), train)
        return Constant(self.name, train.contract, mapping)

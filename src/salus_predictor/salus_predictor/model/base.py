"""What every predictor answers, the shipped model and every baseline alike."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus_data.contract import Contract
from salus_predictor.steps import StepData

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Forecast:
    """What is known at one step.

    Attributes:
        probability: (H, C) that failure c comes within horizon h; grows with the horizon.
        outcome: (C + 1,) how the episode will end: success, then every type; sums to 1.
    """

    probability: Array
    outcome: Array


@dataclass(frozen=True)
class Forecasts:
    """The same for N rows: `probability` (N, H, C) and `outcome` (N, C + 1)."""

    probability: Array
    outcome: Array

    def __getitem__(self, row: int) -> Forecast:
        """The forecast of one row."""
        return Forecast(self.probability[row], self.outcome[row])


class Stream(Protocol):
    """A predictor over one running episode; every step costs the same."""

    def reset(self) -> None:
        """Begin an episode: nothing of the one before has any effect."""

    def step(self, signals: ArrayLike) -> Forecast:
        """The forecast after one more step.

        `signals` is (K,) in the order of `inputs`; (K + M,) where a hidden state of M is read, too.
        """


class Predictor(Protocol):
    """A fitted predictor.

    `predict` is causal, row t of an episode follows from rows 0 to t alone, and equals what the
    stream says to 1e-6.
    """

    @property
    def name(self) -> str:
        """Short name, as tables show it."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the signals it reads, in the order its stream wants them."""

    @property
    def contract(self) -> Contract:
        """Of the data it was fitted to."""

    def predict(self, data: StepData) -> Forecasts:
        """The forecasts of all rows.

        Raises:
            ContractMismatchError: the data lacks a signal, or its step period, types or horizons
                are others.
        """

    def stream(self) -> Stream:
        """A new stream, as at the start of an episode."""


class Recipe(Protocol):
    """Makes predictors of one kind; every baseline is one."""

    @property
    def name(self) -> str:
        """Short name, as tables show it."""

    def fit(self, train: StepData, validation: StepData, *, seed: int) -> Predictor:
        """Fit to `train`; `validation` is for early stopping and choices, never for weights.

        Raises:
            SalusError: the data cannot be learnt from; says why.
        """

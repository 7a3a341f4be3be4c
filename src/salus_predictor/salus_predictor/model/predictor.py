"""The shipped predictor: running memory, then one or more hazard models, averaged."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus_data.contract import Contract
from salus_data.errors import ContractMismatchError, FormatError
from salus_predictor.model.advance import Carried
from salus_predictor.model.base import Forecast, Forecasts
from salus_predictor.model.features import STATISTICS, Memory, extract
from salus_predictor.model.hazards import cumulative_incidence, softmax
from salus_predictor.model.normalise import Normalisation
from salus_predictor.model.projection import Projection
from salus_predictor.model.scaling import Scaling
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

PERIOD_TOLERANCE: Final = 1e-9
RECORD_EMBEDDING: Final = "`salus collect --embedding` records it"
TIME_SCALE: Final = 5.0
"""Seconds by which elapsed time is divided where it is an input."""


class HazardState(Carried, Protocol):
    """The state of a hazard model over B episodes that advance together."""

    def step(self, features: NDArray[np.float32]) -> tuple[Array, Array]:
        """Logits (B, H, C + 2) and (B, C + 1) after one more step of features (B, F)."""


class HazardModel(Protocol):
    """Features to logits: a network, or trees."""

    def start(self, batch: int) -> HazardState:
        """The state of so many episodes at their start."""

    def logits(self, features: NDArray[np.float32], ends: NDArray[np.int64]) -> tuple[Array, Array]:
        """Hazard logits (N, H, C + 2) and outcome logits (N, C + 1) of whole episodes."""


@dataclass(frozen=True)
class HazardPredictor:
    """A `Predictor`.

    Attributes:
        name: short name, as tables show it.
        inputs: names of the K signals it reads.
        contract: of the data it was fitted to.
        normalisation: of the inputs, then of what the projection gives.
        members: hazard models; their logits are averaged, which are logarithms of probabilities
            up to a constant that the softmax drops, so that what comes out are hazards again and
            one scaling calibrates them.
        weights: of the members; they sum to 1.
        hazard_scaling, outcome_scaling: of the averages.
        with_time: whether elapsed time is among the features.
        dated: whether failures had dates to learn from; without, `probability` is NaN and the
            outcome is all that it says.
        projection: of the policy's hidden state; None where it is no input.
    """

    name: str
    inputs: tuple[str, ...]
    contract: Contract
    normalisation: Normalisation
    members: tuple[HazardModel, ...]
    weights: tuple[float, ...]
    hazard_scaling: Scaling
    outcome_scaling: Scaling
    with_time: bool = False
    dated: bool = True
    projection: Projection | None = None

    @property
    def n_features(self) -> int:
        """Features F that the members read."""
        return self.normalisation.size * len(STATISTICS) + self.with_time

    @property
    def embedding_size(self) -> int:
        """Width M of the policy's hidden state that it reads; 0 for none."""
        return self.projection.size if self.projection else 0

    def predict(self, data: StepData) -> Forecasts:
        """The forecasts of all rows.

        Raises:
            ContractMismatchError: the data lacks a signal, or its step period, types or horizons
                are others.
        """
        return self.forecasts(*self.logits(data))

    def logits(self, data: StepData) -> tuple[Array, Array]:
        """Pooled logits (N, H, C + 2) and (N, C + 1) of all rows; raises as `predict` does."""
        features = self.features(data)
        return self.pool([member.logits(features, data.ends) for member in self.members])

    def features(self, data: StepData) -> NDArray[np.float32]:
        """What the members read of every row, (N, F)."""
        require_fits(self, data.contract)
        features = extract(self._rows_of(data), data.ends, self.normalisation)
        if not self.with_time:
            return features
        seconds = data.step_of_row * self.contract.step_period
        return np.column_stack([features, (seconds / TIME_SCALE).astype(np.float32)])

    def _rows_of(self, data: StepData) -> NDArray[np.float32]:
        rows = data.signals[:, [data.signal_names.index(name) for name in self.inputs]]
        if self.projection is None:
            return rows
        if data.embedding is None or data.embedding.shape[1] != self.projection.size:
            there = "none" if data.embedding is None else f"one of {data.embedding.shape[1]}"
            raise ContractMismatchError(
                f"the model reads the policy's embedding of {self.projection.size} numbers; the "
                f"data has {there}. {RECORD_EMBEDDING}"
            )
        return np.column_stack([rows, self.projection(data.embedding)])

    def pool(self, logits: list[tuple[Array, Array]]) -> tuple[Array, Array]:
        """The weighted average of the members' logits, each (..., H, C + 2) and (..., C + 1)."""
        pooled = [
            (weight * hazards, weight * outcome)
            for weight, (hazards, outcome) in zip(self.weights, logits, strict=True)
        ]
        hazards, outcome = pooled[0]
        for more_hazards, more_outcome in pooled[1:]:
            hazards += more_hazards
            outcome += more_outcome
        return hazards, outcome

    def forecasts(self, hazards: Array, outcome: Array) -> Forecasts:
        """Probabilities of pooled logits (N, H, C + 2) and (N, C + 1)."""
        probability = cumulative_incidence(self.hazard_scaling(hazards))
        if not self.dated:
            probability = np.full_like(probability, np.nan)
        return Forecasts(probability, softmax(self.outcome_scaling(outcome)))

    def stream(self) -> "HazardStream":
        """A new stream, as at the start of an episode."""
        return HazardStream(self)


class HazardStream:
    """The predictor over one running episode; every step costs the same."""

    def __init__(self, predictor: HazardPredictor) -> None:
        self._predictor = predictor
        self._memory = Memory(predictor.normalisation)
        self.reset()

    def reset(self) -> None:
        """Begin an episode: nothing of the one before has any effect."""
        self._memory.reset()
        self._states = [member.start(1) for member in self._predictor.members]
        self._step = 0

    def step(self, signals: ArrayLike) -> Forecast:
        """The forecast after one more step.

        Args:
            signals: (K,) in the order of `inputs`; behind them the policy's hidden state, (K + M,),
                where the predictor reads it.

        Raises:
            FormatError: there are not so many of them.
        """
        predictor, size = self._predictor, len(self._predictor.inputs)
        # Stores keep signals as float32: what is learnt from them is run on the same numbers.
        row = np.asarray(signals, dtype=np.float32)
        if row.shape != (size + predictor.embedding_size,):
            raise FormatError(
                f"signals have shape {row.shape}, not ({size + predictor.embedding_size},)"
            )
        if predictor.projection is not None:
            row = np.concatenate([row[:size], predictor.projection(row[None, size:])[0]])
        features = self._memory.update(row[None]).astype(np.float32)
        if predictor.with_time:
            seconds = self._step * predictor.contract.step_period
            features = np.append(features, np.float32(seconds / TIME_SCALE))[None]
        self._step += 1
        logits = [state.step(features) for state in self._states]
        return predictor.forecasts(*predictor.pool(logits))[0]


def require_fits(predictor: HazardPredictor, contract: Contract) -> None:
    """Raise ContractMismatchError unless the contract gives what the predictor reads."""
    mine = predictor.contract
    if abs(mine.step_period - contract.step_period) > PERIOD_TOLERANCE:
        raise ContractMismatchError(
            f"the model's step period is {mine.step_period} s, the data's {contract.step_period} s"
        )
    for field in ("failure_types", "horizons"):
        if getattr(mine, field) != getattr(contract, field):
            raise ContractMismatchError(
                f"model and data differ in {field}: {list(getattr(mine, field))} and "
                f"{list(getattr(contract, field))}"
            )
    units = {column.name: column.unit for column in mine.signals}
    given = {column.name: column.unit for column in contract.signals}
    if missing := [name for name in predictor.inputs if name not in given]:
        raise ContractMismatchError(
            f"the model reads {', '.join(missing)}; the data has {', '.join(given) or 'no signals'}"
        )
    for name in predictor.inputs:
        if units[name] != given[name]:
            raise ContractMismatchError(
                f"the model reads {name} in {units[name]}, the data has it in {given[name]}"
            )

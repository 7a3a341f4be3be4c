"""What baselines share: one number a step, turned into calibrated forecasts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus_data.contract import Contract
from salus_data.errors import ContractMismatchError, SalusError
from salus_data.types import Outcome
from salus_predictor.evaluation.thresholds import watched_rows
from salus_predictor.model.base import Forecast, Forecasts, Predictor, Stream
from salus_predictor.steps import StepData

Array = NDArray[np.float64]
Score = Callable[[StepData], Array]
"""One number for every row, (N,), from that row and the rows before it; NaN where there is none."""

FitScore = Callable[[StepData, int], Score]
"""Makes a score from training episodes and a seed."""


class MissingInputError(SalusError, LookupError):
    """Raised when a store lacks what a baseline reads; the message names it."""


def signal_column(data: StepData, name: str) -> int:
    """The column of a signal.

    Raises:
        MissingInputError: the store has no such signal, or no value of it.
    """
    if name not in data.signal_names:
        raise MissingInputError(f"signal {name}")
    column = data.signal_names.index(name)
    if not np.isfinite(data.signals[:, column]).any():
        raise MissingInputError(f"values of signal {name}")
    return column


def watched_mask(data: StepData) -> NDArray[np.bool_]:
    """(N,) the rows before the event of their episode."""
    limits = np.array([watched_rows(data, e) for e in range(len(data))], np.int64)
    mask: NDArray[np.bool_] = data.step_of_row < np.repeat(limits, data.lengths)
    return mask


def success_rows(data: StepData) -> NDArray[np.bool_]:
    """(N,) the rows before the end of successful episodes."""
    good = np.array([record.outcome is Outcome.SUCCESS for record in data.records], bool)
    if not good.any():
        raise SalusError("there is no successful episode to learn from")
    mask: NDArray[np.bool_] = good[data.episode_of_row] & watched_mask(data)
    return mask


def outcome_of_row(data: StepData) -> NDArray[np.int64]:
    """(N,) how the row's episode ends: 0 success, 1 + type; -1 unknown, or from the event on."""
    number = np.full(len(data), -1, np.int64)
    for e, record in enumerate(data.records):
        if record.first_intervention_step < 0:
            if record.outcome is Outcome.SUCCESS:
                number[e] = 0
            elif record.outcome is Outcome.FAILURE:
                number[e] = 1 + record.failure_type
    return np.where(watched_mask(data), number[data.episode_of_row], -1)


LEVELS: Final = 1 / (1 + np.exp(-np.linspace(-7, 7, 63)))
"""Quantiles between the bins of a map: finer towards the ends, where the rare rows stand."""

BIN_ROWS: Final = 20
"""Least rows of a bin: the outermost ones would otherwise hold a handful."""

PRIOR_ROWS: Final = 2
"""A bin is drawn to the base rate as if it had seen this many rows of it. More than a few would put
the highest scores, whose bin is the smallest, below those next to them."""


@dataclass(frozen=True)
class BinnedMap:
    """Rates of every label among the rows whose score falls into the same bin.

    Attributes:
        edges: (B - 1,) between the bins of finite scores, growing.
        probability: (B + 1, H, C) rates; the last bin is that of NaN.
        outcome: (B + 1, C + 1).
    """

    edges: Array
    probability: Array
    outcome: Array

    @classmethod
    def fit(cls, score: Array, data: StepData) -> "BinnedMap":
        """Count labels and outcomes in bins of the score (N,)."""
        finite = score[np.isfinite(score) & watched_mask(data)]
        edges = _edges(finite)
        place, bins = _place(score, edges), len(edges) + 2
        horizons, types = len(data.contract.horizons), len(data.contract.failure_types)
        probability = np.empty((bins, horizons, types))
        for h in range(horizons):
            for c in range(types):
                rows = data.valid[:, h, c]
                probability[:, h, c] = _rates(place[rows], data.labels[rows, h, c] > 0, bins)
        ending = outcome_of_row(data)
        known = ending >= 0
        outcome = np.stack(
            [_rates(place[known], ending[known] == k, bins) for k in range(types + 1)], axis=1
        )
        total = outcome.sum(axis=1, keepdims=True)
        return cls(
            edges,
            np.maximum.accumulate(probability, axis=1),
            np.where(total > 0, outcome / np.where(total > 0, total, 1), 1 / (types + 1)),
        )

    def __call__(self, score: Array) -> Forecasts:
        """The forecasts for scores (N,)."""
        place = _place(score, self.edges)
        return Forecasts(self.probability[place], self.outcome[place])


def _edges(score: Array) -> Array:
    """Between bins of at least BIN_ROWS of these finite scores."""
    if len(score) < 2 * BIN_ROWS:
        return np.empty(0)
    share = BIN_ROWS / len(score)
    levels = np.unique(np.clip(LEVELS, share, 1 - share))
    kept = [levels[0]]
    for level in levels[1:]:
        if level - kept[-1] >= share:
            kept.append(level)
    return np.unique(np.quantile(score, kept))


def _place(score: Array, edges: Array) -> NDArray[np.int64]:
    place = np.searchsorted(edges, score, side="right")
    return np.where(np.isfinite(score), place, len(edges) + 1)


def _rates(place: NDArray[np.int64], label: NDArray[np.bool_], bins: int) -> Array:
    base = label.mean() if len(label) else 0.0
    positive = np.bincount(place, label, bins) + PRIOR_ROWS * base
    rates: Array = positive / (np.bincount(place, minlength=bins) + PRIOR_ROWS)
    return rates


def require_fit(contract: Contract, inputs: tuple[str, ...], data: StepData) -> None:
    """Raise ContractMismatchError unless a predictor for `contract` can read `data`."""
    for field in ("step_period", "failure_types", "horizons"):
        mine, theirs = getattr(contract, field), getattr(data.contract, field)
        if mine != theirs:
            raise ContractMismatchError(
                f"the predictor was fitted to {field} {mine}, the data has {theirs}"
            )
    if missing := [name for name in inputs if name not in data.signal_names]:
        raise ContractMismatchError(
            f"the data lacks signal {missing[0]}; it has {', '.join(data.signal_names)}"
        )


@dataclass(frozen=True)
class ScorePredictor:
    """Forecasts that follow from one number a step.

    Attributes:
        name: as tables show it.
        inputs: signals that the score reads.
        contract: of the data it was fitted to.
        score: the number.
        mapping: from the number to probabilities.
        rowwise: whether the score of a row needs that row's signals alone.
    """

    name: str
    inputs: tuple[str, ...]
    contract: Contract
    score: Score
    mapping: BinnedMap
    rowwise: bool = False

    def predict(self, data: StepData) -> Forecasts:
        """The forecasts of all rows."""
        require_fit(self.contract, self.inputs, data)
        return self.mapping(self.score(data))

    def stream(self) -> Stream:
        """A stream, where one row's signals are enough.

        Raises:
            SalusError: the score reads more than signals.
        """
        if not self.rowwise:
            raise SalusError(f"baseline {self.name} reads more than the signals of a step")
        return RowStream(self)


@dataclass
class RowStream:
    """A stream of a predictor that remembers nothing."""

    predictor: Predictor

    def reset(self) -> None:
        """Begin an episode."""

    def step(self, signals: ArrayLike) -> Forecast:
        """The forecast after one more step."""
        contract, inputs = self.predictor.contract, self.predictor.inputs
        names = [column.name for column in contract.signals]
        row = np.full((1, len(names)), np.nan, np.float32)
        row[0, [names.index(name) for name in inputs]] = np.asarray(signals)
        shape = (1, len(contract.horizons), len(contract.failure_types))
        data = StepData(
            contract,
            row,
            np.zeros(shape, np.uint8),
            np.zeros(shape, bool),
            np.array([1]),
            (),
            np.full(1, -1, np.int16),
        )
        return self.predictor.predict(data)[0]


@dataclass(frozen=True)
class ScoreRecipe:
    """Makes a `ScorePredictor`.

    Attributes:
        name: as tables show it.
        fit_score: from training episodes and a seed to the score.
        inputs: signals that the score reads.
        rowwise: as in `ScorePredictor`.
        learnt: whether the score was learnt from the training rows. Its values there are then not
            what fresh rows get, and the map to probabilities is counted on validation episodes.
    """

    name: str
    fit_score: FitScore
    inputs: tuple[str, ...] = ()
    rowwise: bool = False
    learnt: bool = False

    def fit(self, train: StepData, validation: StepData, *, seed: int) -> Predictor:
        """Fit the score and the map.

        Raises:
            MissingInputError: the data lacks an input.
        """
        for name in self.inputs:
            signal_column(train, name)
        score = self.fit_score(train, seed)
        basis = validation if self.learnt else train
        mapping = BinnedMap.fit(score(basis), basis)
        return ScorePredictor(self.name, self.inputs, train.contract, score, mapping, self.rowwise)

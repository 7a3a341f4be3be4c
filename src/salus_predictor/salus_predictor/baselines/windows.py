"""Baselines that learn from the last 10, 30 and 60 steps of every signal with scikit-learn.

One classifier says which failure comes within the longest horizon, if any; another, of rows before
a failure, in which bin between two horizons it comes. Their products, summed over the bins, grow
with the horizon. A third one forecasts the outcome.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from salus_data.contract import Contract
from salus_data.errors import SalusError
from salus_predictor.baselines.base import outcome_of_row, require_fit
from salus_predictor.model.base import Forecast, Forecasts, Predictor, Stream
from salus_predictor.model.features import Memory, extract
from salus_predictor.model.normalise import Normalisation
from salus_predictor.steps import StepData

Array = NDArray[np.float64]
Kind = Literal["logistic", "boosting"]

NEGATIVES: Final = 2
"""Rows without a failure ahead that are kept for each row with one; they weigh for the others."""

OUTCOME_STRIDE: Final = 10
"""Every so many rows are enough to learn the outcome from: neighbours are alike."""

ROUNDS: Final = 50
LEAVES: Final = 15
LEARNING_RATE: Final = 0.12


@dataclass(frozen=True)
class Classes:
    """A fitted classifier with a column for every class, those never seen included."""

    model: Any
    size: int

    def __call__(self, features: NDArray[np.float32]) -> Array:
        """(N, F) to probabilities (N, size)."""
        out = np.zeros((len(features), self.size))
        if isinstance(self.model, int):
            out[:, self.model] = 1
        else:
            out[:, self.model.classes_.astype(int)] = self.model.predict_proba(features)
        return out


@dataclass(frozen=True)
class WindowPredictor:
    """Forecasts from running windows."""

    name: str
    inputs: tuple[str, ...]
    contract: Contract
    normalisation: Normalisation
    kind: Classes
    bin: Classes
    outcome: Classes

    def predict(self, data: StepData) -> Forecasts:
        """The forecasts of all rows."""
        require_fit(self.contract, self.inputs, data)
        columns = [data.signal_names.index(name) for name in self.inputs]
        features = extract(data.signals[:, columns], data.ends, self.normalisation)
        return self.forecasts(features)

    def forecasts(self, features: NDArray[np.float32]) -> Forecasts:
        """The forecasts of features (N, F)."""
        within = np.minimum(np.cumsum(self.bin(features), axis=1), 1.0)  # (N, H)
        probability = within[:, :, None] * self.kind(features)[:, None, 1:]
        return Forecasts(probability, self.outcome(features))

    def stream(self) -> Stream:
        """A new stream."""
        return WindowStream(self)


class WindowStream:
    """One running episode."""

    def __init__(self, predictor: WindowPredictor) -> None:
        self._predictor = predictor
        self._memory = Memory(predictor.normalisation)

    def reset(self) -> None:
        """Begin an episode."""
        self._memory.reset()

    def step(self, signals: ArrayLike) -> Forecast:
        """The forecast after one more step."""
        row = np.asarray(signals, np.float32)[None]
        features = self._memory.update(row).astype(np.float32)
        return self._predictor.forecasts(features)[0]


@dataclass(frozen=True)
class WindowRecipe:
    """Logistic regression, or gradient-boosted trees."""

    name: str
    kind: Kind

    def fit(self, train: StepData, validation: StepData, *, seed: int) -> Predictor:
        """Fit on training rows; trees stop early on validation rows."""
        inputs = train.signal_names
        if not inputs:
            raise SalusError("there is no signal to learn from")
        normalisation = Normalisation.fit(train.signals)
        features, held = (
            extract(data.signals, data.ends, normalisation) for data in (train, validation)
        )
        random = np.random.default_rng(seed)
        n_types, n_horizons = len(train.contract.failure_types), len(train.contract.horizons)
        kind, when, outcome = (
            Classes(
                self._fit(features, held, [pick(d, random) for d in (train, validation)], seed), n
            )
            for pick, n in (
                (kind_rows, n_types + 1),
                (bin_rows, n_horizons),
                (outcome_rows, n_types + 1),
            )
        )
        return WindowPredictor(
            self.name, inputs, train.contract, normalisation, kind, when, outcome
        )

    def _fit(
        self,
        features: NDArray[np.float32],
        held: NDArray[np.float32],
        chosen: list[tuple[NDArray[np.int64], NDArray[np.int64], Array]],
        seed: int,
    ) -> Any:
        (rows, classes, weight), (held_rows, held_classes, held_weight) = chosen
        seen = np.unique(classes)
        if len(seen) == 0:
            raise SalusError(f"{self.name}: there is no row before a failure to learn from")
        if len(seen) == 1:
            return int(seen[0])
        if self.kind == "logistic":
            model = make_pipeline(
                StandardScaler(), LogisticRegression(C=1e-3, tol=1e-3, max_iter=100)
            )
            with warnings.catch_warnings():
                # The last digits of a baseline do not matter; the wait for them would.
                warnings.simplefilter("ignore", ConvergenceWarning)
                return model.fit(features[rows], classes, logisticregression__sample_weight=weight)
        known = np.isin(held_classes, seen)
        boosted = HistGradientBoostingClassifier(
            max_iter=ROUNDS,
            max_leaf_nodes=LEAVES,
            learning_rate=LEARNING_RATE,
            min_samples_leaf=20,
            l2_regularization=1.0,
            max_features=0.3,
            early_stopping=bool(known.any()),
            n_iter_no_change=5,
            random_state=seed,
        )
        if not known.any():
            return boosted.fit(features[rows], classes, sample_weight=weight)
        return boosted.fit(
            features[rows],
            classes,
            sample_weight=weight,
            X_val=held[held_rows[known]],
            y_val=held_classes[known],
            sample_weight_val=held_weight[known],
        )


Chosen = tuple[NDArray[np.int64], NDArray[np.int64], Array]


def kind_rows(data: StepData, random: np.random.Generator) -> Chosen:
    """Rows to learn from which failure is ahead: 0 none within the longest horizon, 1 + type.

    All rows before a failure, and a draw of the others that weighs for all of them.
    """
    known = np.all(data.valid[:, -1], axis=1)
    ahead = data.labels[:, -1] > 0  # (N, C)
    classes = np.where(ahead.any(axis=1), 1 + ahead.argmax(axis=1), 0)
    positive, negative = (np.flatnonzero(known & chosen) for chosen in (classes > 0, classes == 0))
    wanted = min(len(negative), max(NEGATIVES * len(positive), 1000))
    rows = np.concatenate([positive, random.choice(negative, wanted, replace=False)])
    weight = np.ones(len(rows))
    weight[len(positive) :] = len(negative) / max(wanted, 1)
    return rows, classes[rows], weight


def bin_rows(data: StepData, random: np.random.Generator) -> Chosen:
    """Rows before a failure, and the number of the shortest horizon that it lies within."""
    del random
    any_type: NDArray[np.bool_] = np.any(data.labels > 0, axis=2)  # (N, H)
    rows = np.flatnonzero(any_type[:, -1] & np.all(data.valid[:, -1], axis=1))
    return rows, any_type[rows].argmax(axis=1), np.ones(len(rows))


def outcome_rows(data: StepData, random: np.random.Generator) -> Chosen:
    """Rows to learn the outcome from: every few steps of episodes that ended by themselves."""
    del random
    outcome = outcome_of_row(data)
    rows = np.flatnonzero((outcome >= 0) & (data.step_of_row % OUTCOME_STRIDE == 0))
    return rows, outcome[rows], np.ones(len(rows))


WINDOWS: Final = (
    WindowRecipe("logistic_windows", "logistic"),
    WindowRecipe("boosted_windows", "boosting"),
)

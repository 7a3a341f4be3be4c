"""The running memory: what the last 10, 30 and 60 steps of every signal looked like.

Batch and stream are the same code: a batch is many episodes that advance together. Memory and cost
of a step do not grow with the episode. Longer windows are joined from shorter ones that do not
overlap (30 = 3 x 10, 60 = 2 x 30), so that a step touches a few rows, not sixty.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus_predictor.model.advance import advance
from salus_predictor.model.normalise import Normalisation

Array = NDArray[np.float64]

WINDOWS: Final = (10, 30, 60)
"""Steps."""

RECENT: Final = 5
"""Steps back with which the present value is compared."""

STATISTICS: Final = (
    "value",
    "known",
    f"change{RECENT}",
    *(f"{name}{window}" for window in WINDOWS for name in ("mean", "std", "min", "max")),
    "drift10",
    "drift20",
    "drift30",
)
"""What is kept of every signal; `drift` compares a window with an earlier one."""

_FLOOR: Final = 1e-8  # variance below which rounding would show in the standard deviation


class Memory:
    """The memory of B episodes that advance together, K signals each.

    A missing value (NaN) enters no statistic; `known` says so. Before a window is full it holds
    the steps there are.
    """

    def __init__(self, normalisation: Normalisation, batch: int = 1) -> None:
        self._normalisation = normalisation
        self._batch = batch
        self.reset()

    def reset(self) -> None:
        """Begin an episode: nothing of the one before has any effect."""
        shape = (self._batch, self._normalisation.size)
        self._step = 0
        self._values: Array = np.full((WINDOWS[0], *shape), np.nan)
        # Per window the count, sum, sum of squares, minimum and maximum, as they were at each of
        # the last steps; an empty window is (0, 0, 0, inf, -inf).
        empty = np.zeros((5, *shape))
        empty[3], empty[4] = np.inf, -np.inf
        self._tens: Array = np.repeat(empty[None], 2 * WINDOWS[0] + 1, axis=0)
        self._thirties: Array = np.repeat(empty[None], WINDOWS[1] + 1, axis=0)

    def keep(self, batch: int) -> None:
        """Go on with the first `batch` episodes only; the others have ended."""
        self._batch = batch
        self._values = self._values[:, :batch]
        self._tens = self._tens[:, :, :batch]
        self._thirties = self._thirties[:, :, :batch]

    def update(self, signals: ArrayLike) -> Array:
        """Take one more step.

        Args:
            signals: (B, K) raw values, NaN where there is none.

        Returns:
            (B, K * S) features, all S = len(STATISTICS) of the first signal first; finite.
        """
        value = self._normalisation.apply(np.asarray(signals, dtype=np.float64))  # (B, K)
        recent = self._values[(self._step - RECENT) % WINDOWS[0]].copy()
        self._values[self._step % WINDOWS[0]] = value
        ten = _aggregate(self._values)
        self._tens[self._step % len(self._tens)] = ten
        ten_back, twenty_back = (
            self._tens[(self._step - lag) % len(self._tens)] for lag in (WINDOWS[0], 2 * WINDOWS[0])
        )
        thirty = _join(_join(ten, ten_back), twenty_back)
        self._thirties[self._step % len(self._thirties)] = thirty
        thirty_back = self._thirties[(self._step - WINDOWS[1]) % len(self._thirties)]
        self._step += 1

        known = np.isfinite(value)
        out = np.empty((*value.shape, len(STATISTICS)))
        out[..., 0] = np.where(known, value, 0.0)
        out[..., 1] = known
        change = value - recent
        out[..., 2] = np.where(np.isfinite(change), change, 0.0)
        place = 3
        for window in (ten, thirty, _join(thirty, thirty_back)):
            _describe(window, out[..., place : place + 4])
            place += 4
        out[..., place] = _drift(ten, ten_back)
        out[..., place + 1] = _drift(ten, twenty_back)
        out[..., place + 2] = _drift(thirty, thirty_back)
        return out.reshape(len(value), -1)


def feature_names(signals: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the features of these signals, in their order."""
    return tuple(f"{signal}.{statistic}" for signal in signals for statistic in STATISTICS)


def extract(
    signals: NDArray[np.float32], ends: NDArray[np.int64], normalisation: Normalisation
) -> NDArray[np.float32]:
    """The features of concatenated episodes, (N, K) to (N, F); row t knows rows 0 to t alone."""
    n_features = signals.shape[1] * len(STATISTICS)
    features = np.empty((len(signals), n_features), np.float32)
    for step, rows, memory in advance(ends, lambda n: Memory(normalisation, n)):
        del step
        features[rows] = memory.update(signals[rows])
    return features


def _aggregate(values: Array) -> Array:
    """(W, B, K) values to (5, B, K) count, sum, sum of squares, minimum, maximum."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    return np.stack(
        [
            known.sum(axis=0, dtype=np.float64),
            filled.sum(axis=0),
            (filled * filled).sum(axis=0),
            np.where(known, values, np.inf).min(axis=0),
            np.where(known, values, -np.inf).max(axis=0),
        ]
    )


def _join(first: Array, second: Array) -> Array:
    """The aggregate of two windows that do not overlap."""
    joined = first + second
    np.minimum(first[3], second[3], out=joined[3])
    np.maximum(first[4], second[4], out=joined[4])
    return joined


def _describe(window: Array, out: Array) -> None:
    """Mean, standard deviation, minimum and maximum into (B, K, 4); 0 for an empty window."""
    count = np.maximum(window[0], 1)
    mean = window[1] / count
    variance = np.maximum(window[2] / count - mean * mean, 0.0)
    out[..., 0] = mean
    out[..., 1] = np.sqrt(variance + _FLOOR)
    out[..., 2] = np.where(window[0] > 0, window[3], 0.0)
    out[..., 3] = np.where(window[0] > 0, window[4], 0.0)


def _drift(now: Array, before: Array) -> Array:
    """Difference of two means; 0 while one of them is empty."""
    both = (now[0] > 0) & (before[0] > 0)
    return np.where(both, now[1] / np.maximum(now[0], 1) - before[1] / np.maximum(before[0], 1), 0)

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

    An aggregate of a window is (5, B, K): count, sum, sum of squares, minus the minimum, maximum;
    of an empty one (0, 0, 0, -inf, -inf).
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
        # What each of the last steps adds to a window; each window as it was at the last steps.
        empty = np.zeros((5, *shape))
        empty[3:] = -np.inf
        self._ones: Array = np.repeat(empty[None], WINDOWS[0], axis=0)
        self._tens: Array = np.repeat(empty[None], 2 * WINDOWS[0] + 1, axis=0)
        self._thirties: Array = np.repeat(empty[None], WINDOWS[1] + 1, axis=0)

    def keep(self, batch: int) -> None:
        """Go on with the first `batch` episodes only; the others have ended."""
        self._batch = batch
        self._values = self._values[:, :batch]
        self._ones = self._ones[:, :, :batch]
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
        known = np.isfinite(value)
        recent = self._values[(self._step - RECENT) % WINDOWS[0]]
        change = value - recent
        self._values[self._step % WINDOWS[0]] = value
        # (6, 5, B, K): the windows of 10, 30 and 60 steps, then what each is compared with.
        windows = self._take(value, known)
        count = np.maximum(windows[:, 0], 1)
        mean = windows[:, 1] / count
        table = np.empty((len(STATISTICS), *value.shape))
        table[0] = np.where(known, value, 0.0)
        table[1] = known
        table[2] = np.where(np.isfinite(change), change, 0.0)
        some = windows[:, 0] > 0
        _describe(windows[:3], count[:3], mean[:3], some[:3], table[3:15])
        table[15:17] = np.where(some[0] & some[3:5], mean[0] - mean[3:5], 0.0)
        table[17] = np.where(some[1] & some[5], mean[1] - mean[5], 0.0)
        return np.moveaxis(table, 0, -1).reshape(len(value), -1)

    def _take(self, value: Array, known: NDArray[np.bool_]) -> Array:
        """Windows (6, 5, B, K) of 10, 30, 60 steps, those of 10 before 10 and 20, 30 before 30."""
        one = self._ones[self._step % len(self._ones)]
        one[0] = known
        one[1] = np.where(known, value, 0.0)
        np.multiply(one[1], one[1], out=one[2])
        one[3] = np.where(known, -value, -np.inf)
        one[4] = np.where(known, value, -np.inf)
        windows = np.empty((6, *one.shape))
        ten, thirty, sixty, ten_back, twenty_back, thirty_back = windows
        np.add.reduce(self._ones[:, :3], axis=0, out=ten[:3])
        np.maximum.reduce(self._ones[:, 3:], axis=0, out=ten[3:])
        self._tens[self._step % len(self._tens)] = ten
        ten_back[:] = self._tens[(self._step - WINDOWS[0]) % len(self._tens)]
        twenty_back[:] = self._tens[(self._step - 2 * WINDOWS[0]) % len(self._tens)]
        _join(ten, ten_back, thirty)
        _join(thirty, twenty_back, thirty)
        self._thirties[self._step % len(self._thirties)] = thirty
        thirty_back[:] = self._thirties[(self._step - WINDOWS[1]) % len(self._thirties)]
        _join(thirty, thirty_back, sixty)
        self._step += 1
        return windows


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


def _join(first: Array, second: Array, out: Array) -> None:
    """The aggregate of two windows that do not overlap."""
    np.add(first[:3], second[:3], out=out[:3])
    np.maximum(first[3:], second[3:], out=out[3:])


def _describe(
    windows: Array, count: Array, mean: Array, some: NDArray[np.bool_], out: Array
) -> None:
    """Mean, standard deviation, minimum and maximum of W windows into (4 W, B, K); 0 for empty."""
    told = out.reshape(len(windows), 4, *mean.shape[1:])
    variance = np.maximum(windows[:, 2] / count - mean * mean, 0.0)
    told[:, 0] = mean
    told[:, 1] = np.sqrt(variance + _FLOOR)
    told[:, 2] = np.where(some, -windows[:, 3], 0.0)
    told[:, 3] = np.where(some, windows[:, 4], 0.0)

"""Which signals moved most before a warning."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WINDOW = 0.5
"""Seconds over which a change is measured."""
NAMED = 3
"""Signals that are named."""


class Evidence:
    """Keeps the last half second of the model's inputs.

    Args:
        names: (K,) of the inputs.
        scale: (K,) standard deviation of each in training; NaN or 0 where not known.
        step_period: s between two steps.
    """

    def __init__(self, names: tuple[str, ...], scale: Array, step_period: float) -> None:
        self._names = names
        self._scale = np.where(scale > 0, scale, np.nan)
        self._rows: deque[NDArray[np.float32]] = deque(
            maxlen=max(1, round(WINDOW / step_period)) + 1
        )

    def begin(self) -> None:
        """Begin an episode."""
        self._rows.clear()

    def add(self, inputs: NDArray[np.float32]) -> None:
        """Take the inputs (K,) of one step."""
        self._rows.append(inputs)

    def strongest(self) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Names, strongest first, and changes over the window in standard deviations.

        A signal without a value at either end, or without a known scale, is not named.
        """
        change = (self._rows[-1].astype(np.float64) - self._rows[0]) / self._scale
        order = np.argsort(-np.abs(np.nan_to_num(change, nan=0.0)), kind="stable")[:NAMED]
        kept = [int(k) for k in order if np.isfinite(change[k]) and change[k] != 0]
        return tuple(self._names[k] for k in kept), tuple(float(change[k]) for k in kept)

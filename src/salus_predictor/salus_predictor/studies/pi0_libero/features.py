"""Statistics of the beginning of an episode, at several scales and against its own first steps."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

OWN_START: Final = 4
"""Steps whose mean is an episode's own zero: a task's layout and a policy's level cancel."""

WINDOWS: Final = (3, 6, 12)
"""Steps of the running means at the end of the prefix."""

STATISTICS: Final = (
    "mean",
    "std",
    "min",
    "max",
    "median",
    "last",
    "variation",
    "trend",
    "peak_place",
    *(f"last{w}" for w in WINDOWS),
    "rise",
    "half_change",
)
"""In the order of the columns that `prefix_statistics` gives for every signal."""

RELATIVE: Final = frozenset({"std", "variation", "trend", "peak_place", "rise", "half_change"})
"""Statistics that stay the same when a constant is added to a signal."""


def prefix_statistics(signals: NDArray[np.float32]) -> NDArray[np.float64]:
    """Statistics of a prefix (n, K) with n of 1 or more: (K, len(STATISTICS)), finite."""
    x = np.asarray(signals, dtype=np.float64)
    n = len(x)
    time = np.linspace(-0.5, 0.5, n) if n > 1 else np.zeros(1)
    step = np.abs(np.diff(x, axis=0)) if n > 1 else np.zeros((1, x.shape[1]))
    mean = x.mean(axis=0)
    start = x[:OWN_START].mean(axis=0)
    half = max(1, n // 2)
    columns = [
        mean,
        x.std(axis=0),
        x.min(axis=0),
        x.max(axis=0),
        np.median(x, axis=0),
        x[-1],
        step.mean(axis=0),
        time @ (x - mean) / max(float(time @ time), 1e-9),
        x.argmax(axis=0) / n,
        *(x[-w:].mean(axis=0) for w in WINDOWS),
        x[-WINDOWS[-1] :].mean(axis=0) - start,
        x[half:].mean(axis=0) - x[:half].mean(axis=0) if n > 1 else np.zeros(x.shape[1]),
    ]
    return np.stack(columns, axis=1)


def prefix_table(
    signals: tuple[NDArray[np.float32], ...], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The statistics of the first `rows[e]` steps of every episode, (E, K, len(STATISTICS))."""
    return np.stack([prefix_statistics(x[:n]) for x, n in zip(signals, rows, strict=True)])

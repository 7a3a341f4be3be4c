"""Normalisation of signals: training mean and standard deviation, bounded."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BOUND: Final = 10.0
"""Standard deviations at which a normalised value is cut: one freak value must not rule."""


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of K columns; a constant column has `scale` 1."""

    mean: Array
    scale: Array

    @classmethod
    def fit(cls, values: NDArray[np.floating]) -> Self:
        """Of (N, K) values, NaN left out; a column without any value has mean 0 and scale 1."""
        known = np.isfinite(values)
        filled = np.where(known, values, 0.0).astype(np.float64)
        count = np.maximum(known.sum(axis=0), 1)
        mean = filled.sum(axis=0) / count
        variance = (np.where(known, filled - mean, 0.0) ** 2).sum(axis=0) / count
        scale = np.sqrt(variance)
        tiny = scale <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
        return cls(mean, np.where(tiny, 1.0, scale))

    def and_whitened(self, columns: int) -> Self:
        """With so many more columns behind, which have mean 0 and standard deviation 1."""
        return type(self)(
            np.append(self.mean, np.zeros(columns)), np.append(self.scale, np.ones(columns))
        )

    @property
    def size(self) -> int:
        """Number of columns K."""
        return len(self.mean)

    def apply(self, values: Array) -> Array:
        """Normalised values, within +-BOUND; what is not finite becomes NaN."""
        with np.errstate(invalid="ignore"):
            # np.clip, in two calls: it takes three times as long on a row.
            bounded = np.minimum(np.maximum((values - self.mean) / self.scale, -BOUND), BOUND)
        return np.where(np.isfinite(values), bounded, np.nan)

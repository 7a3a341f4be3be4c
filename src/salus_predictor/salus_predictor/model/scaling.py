"""Vector scaling of logits: one slope for all, one offset for each risk.

Guo et al., "On calibration of modern neural networks", ICML 2017. Hazards stay hazards, so that
forecasts stay monotone in the horizon.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """Scaled logits are slope * logits + offset; `offset` (R,) has one entry for each risk."""

    slope: float
    offset: Array

    @classmethod
    def none(cls, size: int) -> Self:
        """Leaves R = `size` logits as they are."""
        return cls(1.0, np.zeros(size))

    def __call__(self, logits: Array) -> Array:
        """Scale logits (..., R)."""
        scaled: Array = self.slope * logits + self.offset
        return scaled

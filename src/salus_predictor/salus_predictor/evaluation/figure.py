"""One figure with its interval, or the reason why there is none."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
"""Share of the bootstrap replicates inside an interval."""

MIN_REPLICATES: Final = 20
"""Fewer defined replicates than this give no interval."""


@dataclass(frozen=True)
class Figure:
    """A number that a table shows.

    Attributes:
        value: the figure on the data as it is; None where it is not defined.
        interval: 95 % percentile interval over resampled episodes; None where not defined.
        reason: why there is no value; empty where there is one.
        replicates: (B,) the figure on each resample, NaN where not defined there.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    reason: str = ""
    replicates: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls, replicates: NDArray[np.float64], reason: str = "", *, centred: bool = False
    ) -> Self:
        """From (1 + B,) values, the first on the data as it is.

        Args:
            replicates: the values, NaN where not defined.
            reason: why there is no value, if the first is NaN.
            centred: the figure is a mean of absolute values, which resampling inflates: move the
                replicates so that their mean is the value, and keep them from going below 0.
        """
        values = np.asarray(replicates, dtype=np.float64)
        value = float(values[0])
        if not math.isfinite(value):
            return cls(None, None, reason or "not defined on this data", values[1:])
        drawn = values[1:][np.isfinite(values[1:])]
        if len(drawn) < MIN_REPLICATES:
            return cls(value, None, "", values[1:])
        if centred:
            drawn = np.maximum(drawn - drawn.mean() + value, 0)
        tail = 50 * (1 - CONFIDENCE)
        low, high = np.percentile(drawn, [tail, 100 - tail])
        return cls(value, (float(low), float(high)), "", values[1:])

    @classmethod
    def missing(cls, reason: str) -> Self:
        """No value, and why."""
        return cls(None, None, reason)

    @property
    def text(self) -> str:
        """The value with two or three decimals, `-` where there is none."""
        if self.value is None:
            return "-"
        return f"{self.value:.3f}" if abs(self.value) < 10 else f"{self.value:.1f}"


Tree = Mapping[str, Any]


def tree_to_json(tree: Tree) -> dict[str, Any]:
    """A tree of figures as JSON: `name`, `name_ci`, and `name_reason` where it has no value."""
    out: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Figure):
            out[name] = value.value
            out[f"{name}_ci"] = None if value.interval is None else list(value.interval)
            if value.value is None:
                out[f"{name}_reason"] = value.reason
        elif isinstance(value, Mapping):
            out[name] = tree_to_json(value)
        else:
            out[name] = value
    return out

"""Forecasts that are computed again against those that were recorded."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_data.bags.replay import Step


class Agreement:
    """Pairs forecasts by episode and step; only those of the same model count.

    Attributes:
        compared: pairs with the same model and calibration.
        difference: the largest difference of a probability among them; infinite where one is
            stale or has another shape and its partner has not.
    """

    def __init__(self) -> None:
        self._recorded: dict[Step, Any] = {}
        self._computed: dict[Step, Any] = {}
        self.compared = 0
        self.difference = 0.0

    def recorded(self, message: Any) -> None:
        """Hear a FailureForecast of the bag."""
        self._pair(message, self._recorded, self._computed)

    def computed(self, message: Any) -> None:
        """Hear a FailureForecast of today."""
        self._pair(message, self._computed, self._recorded)

    def _pair(self, message: Any, mine: dict[Step, Any], theirs: dict[Step, Any]) -> None:
        step = (str(message.episode_id), int(message.step))
        other = theirs.pop(step, None)
        if other is None:
            mine[step] = message
        elif message.model_id == other.model_id:
            self.compared += 1
            self.difference = max(self.difference, _distance(_of(message), _of(other)))


def _of(message: Any) -> NDArray[np.float64]:
    return np.asarray(message.probability, np.float64)


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if one.shape != other.shape or (np.isnan(one) != np.isnan(other)).any():
        return float("inf")
    return float(np.nanmax(np.abs(one - other), initial=0.0)) if one.size else 0.0

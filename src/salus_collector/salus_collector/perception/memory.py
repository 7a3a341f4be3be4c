"""What stands still is seen better the longer one looks: averages over the frames of an episode."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.targets import BIN, OBSTACLE

if TYPE_CHECKING:
    from salus_collector.perception.localiser import Sighting

Array = NDArray[np.float64]

_STILL = slice(OBSTACLE.start, BIN.stop)


class StillMemory:
    """Averages obstacle and bin by inverse variance, and the odds of there being an obstacle.

    The doubt is not made smaller: the errors of two frames of one episode are alike.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin an episode: nothing of the one before has any effect."""
        size = _STILL.stop - _STILL.start
        self._weight: Array = np.zeros(size)
        self._sum: Array = np.zeros(size)
        self._frames = 0
        self._log_odds = 0.0

    def update(self, sighting: "Sighting") -> "Sighting":
        """One more frame; what it shows, with the average of all frames for what stands still."""
        weight = sighting.doubt[_STILL] ** -2.0
        self._weight += weight
        self._sum += weight * sighting.values[_STILL]
        self._frames += 1
        self._log_odds += sighting.obstacle_log_odds
        values = sighting.values.copy()
        values[_STILL] = self._sum / self._weight
        return replace(sighting, values=values, obstacle_log_odds=self._log_odds / self._frames)

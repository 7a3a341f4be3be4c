"""What stands still is seen better the longer one looks: averages over the latest frames."""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.targets import BIN, OBSTACLE

if TYPE_CHECKING:
    from salus_collector.perception.localiser import Sighting

Array = NDArray[np.float64]

KEPT: Final = 0.95
"""Weight of a frame beside the one after it: some twenty frames count. Not all of the episode, as
a camera may slip."""

ODDS_KEPT: Final = 0.5
"""The same of the odds of there being an obstacle: one that only shows from near has to count at
once."""

_STILL = slice(OBSTACLE.start, BIN.stop)


class StillMemory:
    """Averages obstacle and bin by inverse variance, and the odds of there being an obstacle.

    Frames that show no obstacle say nothing of where it is. The doubt is not made smaller: the
    errors of two frames of one episode are alike. Once asked to `hold_on`, the highest odds since
    the episode began count, so that an obstacle that is out of sight again is still there.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin an episode: nothing of the one before has any effect."""
        size = _STILL.stop - _STILL.start
        self._weight: Array = np.zeros(size)
        self._sum: Array = np.zeros(size)
        self._odds, self._odds_weight = 0.0, 0.0
        self._highest, self._holds = -np.inf, False

    def hold_on(self) -> None:
        """Forget no obstacle from now on until the next reset, those seen before included."""
        self._holds = True

    def update(self, sighting: "Sighting") -> "Sighting":
        """One more frame; what it shows, with the average of the latest for what stands still."""
        weight = sighting.doubt[_STILL] ** -2.0
        if sighting.obstacle_log_odds <= 0:
            weight[: OBSTACLE.stop - OBSTACLE.start] = 0
        self._weight = KEPT * self._weight + weight
        self._sum = KEPT * self._sum + weight * sighting.values[_STILL]
        self._odds = ODDS_KEPT * self._odds + sighting.obstacle_log_odds
        self._odds_weight = ODDS_KEPT * self._odds_weight + 1
        values = sighting.values.copy()
        known = self._weight > 0
        values[_STILL][known] = self._sum[known] / self._weight[known]
        odds = self._odds / self._odds_weight
        self._highest = max(self._highest, odds)
        if self._holds:
            odds = self._highest
        return replace(sighting, values=values, obstacle_log_odds=odds)

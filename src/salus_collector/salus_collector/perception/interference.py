"""Whether somebody changed an action on its way to the arm: the word that something is wrong."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus_data.action_space import ActionSpace

Array = NDArray[np.float64]


class Interference:
    """Compares what is executed with what was proposed, from a reset on.

    Attributes:
        seen: another action than the proposed one was executed since the reset.
    """

    def __init__(self) -> None:
        self._proposed: Array | None = None
        self.seen = False

    def reset(self) -> None:
        """Begin an episode in which nobody has interfered yet."""
        self._proposed, self.seen = None, False

    def proposed(self, action: ArrayLike) -> None:
        """What the policy asks for, (D,)."""
        self._proposed = np.asarray(action, np.float64)

    def executed(self, action: ArrayLike, space: ActionSpace) -> None:
        """What the arm was sent, (D,); both count as they are within the space's limits."""
        if self._proposed is None or self.seen:
            return
        done, proposed = (np.clip(a, space.low, space.high) for a in (action, self._proposed))
        self.seen = not np.allclose(done, proposed, rtol=0, atol=1e-9)

"""A policy that looks, and what it does once somebody changed one of its actions.

An action that was changed on its way to the arm is the word that something is wrong.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus_collector.perception.looking import LookingPolicy
from salus_collector.policy.base import EpisodeStart, Policy

if TYPE_CHECKING:
    from salus_collector.perception.localiser import Localiser

Array = NDArray[np.float64]


class WarnedPolicy(LookingPolicy):
    """Forgets no obstacle that it saw, from the first interference to the end of the episode.

    Who goes back and no longer sees what it went back from would come again. A class made of it
    tells in `act` what it proposes.

    Attributes:
        warned: another action than the proposed one was executed in this episode.
    """

    def __init__(self, policy: Policy, localiser: "Localiser") -> None:
        super().__init__(policy, localiser)
        self._proposed: Array | None = None
        self.warned = False

    def reset(self, start: EpisodeStart) -> None:
        """Begin an episode in which nobody has interfered yet."""
        super().reset(start)
        self._proposed, self.warned = None, False

    def propose(self, action: ArrayLike) -> None:
        """Remember what is asked for, (D,)."""
        self._proposed = np.asarray(action, np.float64)

    def executed(self, action: NDArray[np.float64]) -> None:
        """Tell the policy; both actions count as they are within the space's limits."""
        if self._proposed is not None and not self.warned:
            low, high = self.action_space.low, self.action_space.high
            done, proposed = (np.clip(a, low, high) for a in (action, self._proposed))
            if not np.allclose(done, proposed, rtol=0, atol=1e-9):
                self.warned = True
                self._memory.hold_on()
        super().executed(action)

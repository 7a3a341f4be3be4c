"""A policy that looks again once it was interfered with: from then on it acts on what is seen.

Whoever acts on a pose that it was told, and was right to be stopped, would do the same again. The
first action that was changed on its way to the arm is taken as the word that something is wrong:
from the next observation on, the poses come from the localiser. Without an intervention nothing is
looked at, and every action is the policy's own, to the bit.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.sighted import scene
from salus_collector.perception.targets import OBJECT
from salus_collector.perception.warned import WarnedPolicy
from salus_collector.policy.base import Decision, Observation
from salus_data.layout import object_slice

Array = NDArray[np.float64]

TRUSTED: Final = 0.02
"""Largest standard deviation [m] of an object's seen position that is acted on."""

_OBJECT, _OBSTACLE, _BIN = (object_slice(name) for name in ("object", "obstacle", "bin"))


class SecondLook(WarnedPolicy):
    """Adds the second look to a policy; implements `policy.base.Policy`.

    Until somebody interferes it is that policy, by name and digest.
    """

    def act(self, observation: Observation) -> Decision:
        """The policy's decision, on what is told or, after an intervention, on what is seen.

        Raises:
            FormatError: the images' size is no multiple of the localiser's.
        """
        if self.warned:
            observation = {**observation, "perceived": self._see(observation)}
        decision = self.policy.act(observation)
        self.propose(decision.action)
        return decision

    def _see(self, observation: Observation) -> Array:
        """What was told, with every pose that is seen well in its place, (30,)."""
        told, sighting = observation["perceived"], self.look(observation)
        seen, merged = scene(sighting, observation["state"]), np.array(told, np.float64)
        if float(np.linalg.norm(sighting.doubt[OBJECT])) <= TRUSTED:
            merged[_OBJECT] = seen[_OBJECT]
        merged[_BIN] = seen[_BIN]
        if np.isfinite(seen[_OBSTACLE]).all() and not _top(told) > _top(seen):
            merged[_OBSTACLE] = seen[_OBSTACLE]  # the higher of both
        return merged


def _top(perceived: Array) -> float:
    """Height of the obstacle's top [m]; NaN where there is none."""
    obstacle = perceived[_OBSTACLE]
    return float(obstacle[2] + obstacle[9] / 2)

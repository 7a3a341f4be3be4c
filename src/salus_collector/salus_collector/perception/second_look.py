"""A policy that looks again once it was interfered with: from then on it acts on what is seen.

Whoever acts on a pose that it was told, and was right to be stopped, would do the same again. The
first action that was changed on its way to the arm is taken as the word that something is wrong:
from the next observation on, the poses come from the localiser. Without an intervention nothing is
looked at, and every action is the policy's own, to the bit.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.localiser import Localiser
from salus_collector.perception.memory import StillMemory
from salus_collector.perception.sighted import scene
from salus_collector.perception.targets import CAMERAS, OBJECT
from salus_collector.policy.base import Decision, EpisodeStart, Observation, Policy
from salus_data.action_space import ActionSpace
from salus_data.contract import Column
from salus_data.layout import object_slice

Array = NDArray[np.float64]

TRUSTED: Final = 0.02
"""Largest standard deviation [m] of an object's seen position that is acted on."""

_OBJECT, _OBSTACLE, _BIN = (object_slice(name) for name in ("object", "obstacle", "bin"))


class SecondLook:
    """Adds the second look to a policy; implements `policy.base.Policy`.

    Attributes:
        looks: it has been interfered with in this episode, and acts on what is seen.
    """

    needs_images = True

    def __init__(self, policy: Policy, localiser: Localiser) -> None:
        self._policy, self._localiser = policy, localiser
        self._memory = StillMemory()
        self._proposed: Array | None = None
        self.looks = False

    @property
    def name(self) -> str:
        """Of the policy that acts."""
        return self._policy.name

    @property
    def digest(self) -> str:
        """Of the policy that acts: until somebody interferes, it is that policy."""
        return self._policy.digest

    @property
    def action_space(self) -> ActionSpace:
        """Of the policy that acts."""
        return self._policy.action_space

    @property
    def signals(self) -> tuple[Column, ...]:
        """Of the policy that acts."""
        return self._policy.signals

    @property
    def ensemble_size(self) -> int:
        """Of the policy that acts."""
        return self._policy.ensemble_size

    @property
    def embedding_size(self) -> int:
        """Of the policy that acts."""
        return self._policy.embedding_size

    def reset(self, start: EpisodeStart) -> None:
        """Begin an episode in which nobody has interfered yet."""
        self._memory.reset()
        self._proposed, self.looks = None, False
        self._policy.reset(start)

    def act(self, observation: Observation) -> Decision:
        """The policy's decision, on what is told or, after an intervention, on what is seen.

        Raises:
            FormatError: the images' size is no multiple of the localiser's.
        """
        if self.looks:
            observation = {**observation, "perceived": self._see(observation)}
        decision = self._policy.act(observation)
        self._proposed = np.asarray(decision.action, np.float64)
        return decision

    def executed(self, action: NDArray[np.float64]) -> None:
        """Tell the policy; another action than its own makes it look again."""
        if self._proposed is not None and not self.looks:
            low, high = self.action_space.low, self.action_space.high
            done, proposed = np.clip(action, low, high), np.clip(self._proposed, low, high)
            self.looks = not np.allclose(done, proposed, rtol=0, atol=1e-9)
        self._policy.executed(action)

    def _see(self, observation: Observation) -> Array:
        """What was told, with every pose that is seen well in its place, (30,)."""
        images = {camera: observation[f"image_{camera}"] for camera in CAMERAS}
        state, told = observation["state"], observation["perceived"]
        sighting = self._memory.update(self._localiser.look(images, state))
        seen, merged = scene(sighting, state), np.array(told, np.float64)
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

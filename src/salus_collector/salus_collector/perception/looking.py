"""What all policies with a localiser have in common: the policy inside, and what is seen so far."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.memory import StillMemory
from salus_collector.perception.targets import CAMERAS
from salus_collector.policy.base import EpisodeStart, Observation, Policy
from salus_data.action_space import ActionSpace
from salus_data.contract import Column

if TYPE_CHECKING:
    from salus_collector.perception.localiser import Localiser, Sighting


class LookingPolicy:
    """A policy around another one; all but `act` of `policy.base.Policy`, as the one inside has it.

    Attributes:
        policy: that acts.
        localiser: that looks.
    """

    needs_images = True
    cameras = CAMERAS

    def __init__(self, policy: Policy, localiser: "Localiser") -> None:
        self.policy, self.localiser = policy, localiser
        self._memory = StillMemory()
        # Not every policy can plan anew, and who asks looks for the method.
        if hasattr(policy, "replan"):
            self.replan = policy.replan

    @property
    def name(self) -> str:
        """Of the policy that acts."""
        return self.policy.name

    @property
    def digest(self) -> str:
        """Of the policy that acts."""
        return self.policy.digest

    @property
    def action_space(self) -> ActionSpace:
        """Of the policy that acts."""
        return self.policy.action_space

    @property
    def signals(self) -> tuple[Column, ...]:
        """Of the policy that acts."""
        return self.policy.signals

    @property
    def ensemble_size(self) -> int:
        """Of the policy that acts."""
        return self.policy.ensemble_size

    @property
    def embedding_size(self) -> int:
        """Of the policy that acts."""
        return self.policy.embedding_size

    def reset(self, start: EpisodeStart) -> None:
        """Begin an episode: nothing of the one before has any effect."""
        self._memory.reset()
        self.policy.reset(start)

    def executed(self, action: NDArray[np.float64]) -> None:
        """Tell the policy that acts."""
        self.policy.executed(action)

    def look(self, observation: Observation) -> "Sighting":
        """What the cameras show, with what earlier frames showed of the things that stand still.

        Raises:
            FormatError: the images' size is no multiple of the localiser's.
        """
        return self._memory.update(self.glance(observation))

    def glance(self, observation: Observation) -> "Sighting":
        """What this frame of the cameras alone shows; errors as of `look`."""
        images = {camera: observation[f"image_{camera}"] for camera in CAMERAS}
        return self.localiser.look(images, observation["state"])

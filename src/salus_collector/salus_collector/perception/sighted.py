"""A policy that acts on what the cameras show, in place of the poses that it would be told."""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.localiser import Localiser, Sighting
from salus_collector.perception.looking import LookingPolicy
from salus_collector.perception.signals import OBSTACLE_WIDTH
from salus_collector.perception.targets import (
    BIN,
    OBJECT,
    OBSTACLE,
    TURN,
    in_base_frame,
)
from salus_collector.policy.base import Decision, Observation, Policy
from salus_data.layout import PERCEIVED, object_slice

Array = NDArray[np.float64]

OBJECT_WIDTH: Final = 0.041
"""Side of the cube [m] that is assumed: the localiser tells its pose."""

_OBJECT, _OBSTACLE, _BIN = (object_slice(name) for name in ("object", "obstacle", "bin"))


class SightedPolicy(LookingPolicy):
    """Gives a policy the localiser's poses as `perceived`; implements `policy.base.Policy`.

    What the observation says of object, obstacle and bin is not read.
    """

    def __init__(self, name: str, policy: Policy, localiser: Localiser) -> None:
        super().__init__(policy, localiser)
        self._name = name

    @property
    def name(self) -> str:
        """Its own: it is another policy than the one inside."""
        return self._name

    @property
    def digest(self) -> str:
        """Of the policy and of the localiser, since both decide what is done."""
        both = f"{self.policy.digest} sees by {self.localiser.digest}"
        return hashlib.sha256(both.encode()).hexdigest()[:16]

    def act(self, observation: Observation) -> Decision:
        """The policy's decision on what the cameras show.

        Raises:
            FormatError: the images' size is no multiple of the localiser's.
        """
        seen = scene(self.look(observation), observation["state"])
        return self.policy.act({**observation, "perceived": seen})


def scene(sighting: Sighting, state: Array) -> Array:
    """What is seen as `perceived` (30,): poses in the base frame, extents as usual.

    The cube's yaw is known up to a quarter turn, and taken between -45 and 45 degrees; the bin is
    taken as square to the base. NaN for an obstacle that is not seen.
    """
    perceived = np.full(len(PERCEIVED), np.nan)
    cosine, sine = sighting.values[TURN]
    half = np.arctan2(sine, cosine) / 8
    position = in_base_frame(sighting.values[OBJECT], state)
    perceived[_OBJECT] = [*position, 0, 0, np.sin(half), np.cos(half), *[OBJECT_WIDTH] * 3]
    perceived[_BIN] = [*sighting.values[BIN], 0, 0, 0, 0, 1, 0.16, 0.16, 0.06]
    if sighting.obstacle >= 0.5:
        x, y, top = sighting.values[OBSTACLE]
        extents = (OBSTACLE_WIDTH, OBSTACLE_WIDTH, top)
        perceived[_OBSTACLE] = [x, y, top / 2, 0, 0, 0, 1, *extents]
    return perceived

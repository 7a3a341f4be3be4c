"""A policy that acts on what the cameras show, in place of the poses that it would be told.

It gives the signals about objects itself, by the definitions that the robot's have: only it knows
what it sees. So nothing that the simulation says of the scene reaches the policy or a predictor.
"""

import dataclasses
import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.localiser import Localiser, Sighting
from salus_collector.perception.signals import OBSTACLE_WIDTH
from salus_collector.perception.targets import (
    BIN,
    OBJECT,
    OBSTACLE,
    TURN,
    in_base_frame,
)
from salus_collector.perception.warned import WarnedPolicy
from salus_collector.policy.base import Decision, EpisodeStart, Observation, Policy
from salus_data.contract import Column
from salus_data.layout import PERCEIVED, object_slice
from salus_data.robot_signals import RobotSignals
from salus_data.signals import PERCEIVING
from salus_data.types import Validity

Array = NDArray[np.float64]

OBJECT_WIDTH: Final = 0.041
"""Side of the cube [m] that is assumed: the localiser tells its pose."""

SIGHT_SIGNALS: Final = (
    ("seen_object_doubt", "m", "Standard deviation the localiser gives the object's position."),
    ("seen_obstacle", "1", "Probability that the cameras show an obstacle."),
    (
        "seen_bin_wander",
        "m",
        "Horizontal distance from the bin as this frame shows it to its average over the latest "
        "frames; it stands still, so what wanders is the view.",
    ),
)
"""Name, unit and definition of what it tells of its own sight, in the order of the arrays."""

SIGHT_COLUMNS: Final = (
    *(Column(name, unit) for name, unit, _ in SIGHT_SIGNALS),
    *(signal.column for signal in PERCEIVING),
)
"""What it adds to the signals of the policy inside."""

_OBJECT, _OBSTACLE, _BIN = (object_slice(name) for name in ("object", "obstacle", "bin"))


class SightedPolicy(WarnedPolicy):
    """Gives a policy the localiser's poses as `perceived`; implements `policy.base.Policy`.

    What the observation says of object, obstacle and bin is not read.
    """

    def __init__(self, name: str, policy: Policy, localiser: Localiser) -> None:
        super().__init__(policy, localiser)
        self._name = name
        self._about_objects: RobotSignals | None = None

    @property
    def name(self) -> str:
        """Its own: it is another policy than the one inside."""
        return self._name

    @property
    def digest(self) -> str:
        """Of the policy and of the localiser, since both decide what is done."""
        both = f"{self.policy.digest} sees by {self.localiser.digest}"
        return hashlib.sha256(both.encode()).hexdigest()[:16]

    @property
    def signals(self) -> tuple[Column, ...]:
        """Of the policy, then SIGHT_COLUMNS."""
        return (*self.policy.signals, *SIGHT_COLUMNS)

    def reset(self, start: EpisodeStart) -> None:
        """Begin an episode: nothing of the one before has any effect."""
        super().reset(start)
        self._about_objects = RobotSignals(self.action_space, start.step_period, PERCEIVING)

    def act(self, observation: Observation) -> Decision:
        """The policy's decision on what the cameras show, with the signals of its sight.

        Raises:
            FormatError: the images' size is no multiple of the localiser's.
        """
        state, frame = observation["state"], self.glance(observation)
        sighting = self._memory.update(frame)
        seen = scene(sighting, state)
        decision = self.policy.act({**observation, "perceived": seen})
        self.propose(decision.action)
        assert self._about_objects is not None, "reset comes before act"
        about, reasons = self._about_objects.step(state, seen, decision.action)
        doubt = float(np.linalg.norm(sighting.doubt[OBJECT]))
        wander = float(np.linalg.norm(frame.values[BIN] - sighting.values[BIN]))
        own = [doubt, sighting.obstacle, wander]
        valid = np.full(len(own), Validity.VALID, np.uint8)
        return dataclasses.replace(
            decision,
            signals=np.concatenate([decision.signals, own, about]),
            validity=np.concatenate([decision.validity, valid, reasons]),
        )


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

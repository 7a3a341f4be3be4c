"""Families that disturb what the robot believes, and leave the world as it is."""

import math
from typing import ClassVar, override

import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.families.base import Family, Parameter
from salus_collector.sim.world import CONTROL_STEP, World
from salus_data.layout import EE_POSITION, OBJECTS, POSITION, object_slice

Array = NDArray[np.float64]

DIRECTION = Parameter(
    "direction", "rad", "in the table's plane, from the base's x axis", (-4, 4), (-math.pi, math.pi)
)


SIGHT = Parameter(
    "sight",
    "m",
    "gap from gripper to obstacle below which it is seen as it is",
    (0, 2),
    (0.0, 0.15),
)


def gap_to_obstacle(world: World) -> float:
    """Horizontal distance [m] from the gripper to the obstacle's box, which is not turned."""
    outside = np.abs(world.gripper_position - world.obstacle_position) - world.obstacle_extents / 2
    return float(np.linalg.norm(np.maximum(outside[:2], 0)))


class PerceptionOffset(Family):
    """The object is perceived beside where it is, too high or too low, and trembles the more.

    The bias is constant; the jitter goes with it, as in an estimate that is far off and unsure.
    """

    name: ClassVar[str] = "perception_offset"
    summary: ClassVar[str] = "bias of the object's perceived position, with some jitter"
    sign: ClassVar[str] = "from the start"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("distance", "m", "horizontal bias", (0, 0.2), (0.0, 0.055), 0.0),
        DIRECTION,
        Parameter("height", "m", "vertical bias", (-0.2, 0.2), (-0.04, 0.04), 0.0),
        Parameter(
            "jitter", "m", "standard deviation, anew each step", (0, 0.1), (0.002, 0.008), 0.0
        ),
    )

    @override
    def perceive(self, perceived: Array, world: World) -> Array:
        """Shift the object's position by bias and jitter."""
        own = self.values
        bias = (
            own["distance"] * math.cos(own["direction"]),
            own["distance"] * math.sin(own["direction"]),
            own["height"],
        )
        shifted = perceived.copy()
        shifted[object_slice("object")][:3] += bias + own["jitter"] * self.random.normal(size=3)
        return shifted


class SensorNoise(Family):
    """Noise on what is perceived and on the robot's own measurements.

    The drift is an Ornstein-Uhlenbeck process: x <- a x + s sqrt(1 - a^2) n, with a = exp(-period /
    time constant), n standard normal and s its standard deviation; it starts at 0.
    """

    name: ClassVar[str] = "sensor_noise"
    summary: ClassVar[str] = "jitter and slow drift of perceived positions, noise on the state"
    sign: ClassVar[str] = "from the start"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "jitter", "m", "standard deviation, anew each step", (0, 0.1), (0.005, 0.02), 0.0
        ),
        Parameter("drift", "m", "standard deviation of the slow part", (0, 0.1), (0.02, 0.05), 0.0),
        Parameter("drift_time", "s", "time constant of the drift", (0.05, 60), (0.3, 1.0)),
        Parameter("joint_noise", "rad", "on measured joints", (0, 0.2), (0.0, 0.005), 0.0),
        Parameter(
            "pose_noise", "m", "on the measured gripper position", (0, 0.1), (0.0, 0.006), 0.0
        ),
    )

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Start the drift at 0."""
        super().on_reset(world, rng)
        self._drift: Array = np.zeros((len(OBJECTS), 3))

    @override
    def perceive(self, perceived: Array, world: World) -> Array:
        """Add jitter and drift to the position of every object."""
        keep = math.exp(-CONTROL_STEP / self.values["drift_time"])
        scale = self.values["drift"] * math.sqrt(1 - keep**2)
        self._drift = keep * self._drift + scale * self.random.normal(size=self._drift.shape)
        jitter = self.values["jitter"] * self.random.normal(size=self._drift.shape)
        noisy = perceived.copy()
        for name, noise in zip(OBJECTS, self._drift + jitter, strict=True):
            noisy[object_slice(name)][:3] += noise
        return noisy

    @override
    def measure(self, state: Array, world: World) -> Array:
        """Add white noise to the arm's joint positions and to the gripper's position."""
        noisy = state.copy()
        noisy[POSITION][:7] += self.values["joint_noise"] * self.random.normal(size=7)
        noisy[EE_POSITION] += self.values["pose_noise"] * self.random.normal(size=3)
        return noisy


class LowTransit(Family):
    """The obstacle is perceived lower than it is, so that a careful plan passes too low.

    From near it is perceived as it is: often too late for the plan, in time for a warning.
    """

    name: ClassVar[str] = "low_transit"
    summary: ClassVar[str] = "the perceived height of the obstacle is under-reported"
    sign: ClassVar[str] = "from the start: the cameras show the obstacle as it is"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("missing_height", "m", "taken off its top", (0, 1), (0.1, 0.2), 0.0),
        SIGHT,
    )

    @override
    def perceive(self, perceived: Array, world: World) -> Array:
        """Lower the top of a distant obstacle and leave its foot; it keeps at least 5 mm."""
        lowered = perceived.copy()
        obstacle = lowered[object_slice("obstacle")]
        foot, height = obstacle[2] - obstacle[9] / 2, obstacle[9]
        missing = self.values["missing_height"]
        if missing == 0 or np.isnan(height) or gap_to_obstacle(world) < self.values["sight"]:
            return lowered
        obstacle[9] = max(height - missing, min(height, 0.005))
        obstacle[2] = foot + obstacle[9] / 2
        return lowered

"""The task: pick the cube, place it in the bin. Its milestones and what counts as inside."""

import math
from typing import Final

import numpy as np

from salus_collector.sim.scene import BIN_HALF
from salus_collector.sim.world import World

DESCRIPTION: Final = "pick up the red cube and place it in the blue bin"

MILESTONES: Final = ("reach", "grasp", "lift", "carry")
"""In the order in which they are usually passed; placing the cube ends the episode.

reach: gripper within 5 cm of the cube, seen from above, and below 10 cm.
grasp: the cube is held.
lift: it is held with its lowest point 5 cm up or more.
carry: it is held with its centre over the bin.
"""

_REACH_RADIUS: Final = 0.05
_REACH_HEIGHT: Final = 0.10
_LIFT_CLEARANCE: Final = 0.05
_INSIDE_HEIGHT: Final = 0.06


def in_bin_frame(world: World) -> tuple[float, float, float]:
    """Where the cube's centre is in the frame of the bin: x, y and z [m]."""
    position, quaternion = world.pose("bin")
    yaw = 2 * math.atan2(quaternion[3], quaternion[0])
    x, y, z = (world.object_position - position).tolist()
    cosine, sine = math.cos(yaw), math.sin(yaw)
    return cosine * x + sine * y, cosine * y - sine * x, z


def is_over_bin(world: World) -> bool:
    """Whether the cube's centre is over the bin, at any height."""
    x, y, _ = in_bin_frame(world)
    return abs(x) < BIN_HALF[0] and abs(y) < BIN_HALF[1]


def is_in_bin(world: World) -> bool:
    """Whether the cube lies in the bin: over it, its centre below the rim."""
    x, y, z = in_bin_frame(world)
    return abs(x) < BIN_HALF[0] and abs(y) < BIN_HALF[1] and z < _INSIDE_HEIGHT


def clearance(world: World) -> float:
    """Height of the cube's lowest corner over the table [m]; negative below."""
    half = world.model.geom_size[world.cube_geom]
    return float(world.object_position[2] - np.abs(world.object_rotation[2]) @ half)


def milestones(world: World, *, held: bool, clearance: float) -> tuple[str, ...]:
    """The milestones whose condition holds now.

    Args:
        world: with poses up to date.
        held: the cube is held, as the events define it.
        clearance: of the cube [m].
    """
    gripper, cube = world.gripper_position, world.object_position
    apart = math.hypot(gripper[0] - cube[0], gripper[1] - cube[1])
    conditions = (
        apart < _REACH_RADIUS and float(gripper[2]) < _REACH_HEIGHT,
        held,
        held and clearance >= _LIFT_CLEARANCE,
        held and is_over_bin(world),
    )
    return tuple(name for name, holds in zip(MILESTONES, conditions, strict=True) if holds)

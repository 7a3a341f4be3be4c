"""The observation of a step: measured state and perceived scene, in the order of the layout."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.sim import scene
from salus_collector.sim.world import World
from salus_data.layout import (
    EE_POSITION,
    EE_QUATERNION,
    EFFORT,
    PERCEIVED,
    POSITION,
    STATE,
    VELOCITY,
    object_slice,
)

Array = NDArray[np.float64]

_OBJECT, _OBSTACLE, _BIN = (object_slice(name) for name in ("object", "obstacle", "bin"))
_BIN_EXTENTS: Final = 2 * np.array(scene.BIN_HALF)


def true_state(world: World) -> Array:
    """The robot's state (34,): positions, velocities, drive efforts, gripper pose."""
    state = np.empty(len(STATE))
    data = world.data
    state[POSITION] = data.qpos[world.joint_positions]
    state[VELOCITY] = data.qvel[world.joint_velocities]
    state[EFFORT] = data.qfrc_actuator[world.joint_velocities]
    state[EE_POSITION] = world.gripper_position
    w, x, y, z = world.gripper_quaternion
    state[EE_QUATERNION] = (x, y, z, w)
    return state


def true_perceived(world: World) -> Array:
    """Poses and full extents of cube, obstacle and bin (30,); NaN for an absent obstacle.

    The bin's position is that of its underside's centre.
    """
    perceived = np.full(len(PERCEIVED), np.nan)
    _describe(perceived[_OBJECT], world.pose(scene.CUBE), world.object_extents)
    if world.has_obstacle:
        _describe(perceived[_OBSTACLE], world.pose(scene.OBSTACLE), world.obstacle_extents)
    _describe(perceived[_BIN], world.pose(scene.BIN), _BIN_EXTENTS)
    return perceived


def _describe(out: Array, pose: tuple[Array, Array], extents: Array) -> None:
    """Write position, quaternion xyzw and extents (10,); MuJoCo keeps w first."""
    position, quaternion = pose
    out[:3], out[3:6], out[6], out[7:] = position, quaternion[1:], quaternion[0], extents

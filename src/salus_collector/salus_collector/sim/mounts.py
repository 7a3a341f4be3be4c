"""Where cameras are mounted: what a robot's calibration knows of them.

An episode that shifts a camera, or a disturbance that moves it, does not move its mount: no robot
would be told.
"""

from dataclasses import dataclass
from typing import Any, Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.world import World

Array = NDArray[np.float64]

OPTICAL: Final = np.diag([1.0, -1.0, -1.0])
"""MuJoCo's cameras look along -z with y up; optical frames along z with y down (REP 103)."""


@dataclass(frozen=True)
class Mount:
    """The optical frame of a camera in the frame of what carries it.

    Attributes:
        camera: its name.
        on_gripper: the gripper's frame carries it; otherwise the base frame.
        position: (3,) [m].
        quaternion: (4,) xyzw.
    """

    camera: str
    on_gripper: bool
    position: Array
    quaternion: Array


def camera_mounts(world: World) -> tuple[Mount, ...]:
    """The mounts of all cameras; to be asked before a disturbance moves one."""
    return tuple(_mount(world, number) for number in range(world.model.ncam))


def _mount(world: World, number: int) -> Mount:
    model = world.model
    position = np.array(model.cam_pos[number])
    rotation = _matrix(model.cam_quat[number]) @ OPTICAL
    body = int(model.cam_bodyid[number])
    if body:  # on the hand, whose site `tcp` is the gripper's frame
        site = model.site(world.tcp)
        assert int(site.bodyid[0]) == body, "a camera is carried by the base or by the hand"
        turned = _matrix(site.quat).T
        position, rotation = turned @ (position - site.pos), turned @ rotation
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    return Mount(str(model.cam(number).name), bool(body), position, quaternion[[1, 2, 3, 0]])


def _matrix(quaternion: Any) -> Array:
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)

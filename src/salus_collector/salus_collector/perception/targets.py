"""What the localiser is to say of a pair of images, and the truth it is trained on."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.layout import EE_POSITION, EE_QUATERNION, POSITION, object_slice

Array = NDArray[np.float64]

CAMERAS: Final = ("front", "wrist")

PIXELS: Final = 128
"""Side of the images it sees; camera images are averaged down to it."""

QUANTITIES: Final = (
    "object.x",
    "object.y",
    "object.z",
    "object.cos",
    "object.sin",
    "obstacle.x",
    "obstacle.y",
    "obstacle.top",
    "bin.x",
    "bin.y",
)
"""What it estimates. The object's centre [m] in the gripper's frame; cosine and sine of four times
the object's yaw in the base frame, as a cube looks the same four times a turn; centre and top of
the obstacle's box and centre of the bin [m], in the base frame."""

ORIGIN: Final = np.array([0, 0, 0.1, 0, 0, 0.48, 0.04, 0.15, 0.5, 0.23])
SCALE: Final = np.array([0.1, 0.1, 0.1, 1, 1, 0.05, 0.05, 0.1, 0.05, 0.05])
"""A quantity is origin + scale * what the network says."""

OBJECT: Final = slice(0, 3)
TURN: Final = slice(3, 5)
OBSTACLE: Final = slice(5, 8)
BIN: Final = slice(8, 10)

POSE_SIZE: Final = 9
"""Numbers of the arm's pose that go with the images."""

_OBSTACLE: Final = object_slice("obstacle")
_OBJECT: Final = object_slice("object")
_BIN: Final = object_slice("bin")


def rotation(quaternion: Array) -> Array:
    """The matrix (3, 3) of a quaternion (4,) xyzw of norm 1."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def arm_pose(state: Array) -> NDArray[np.float32]:
    """What the robot knows of its own pose, (9,): gripper position [m], two axes, finger gap."""
    axes = rotation(state[EE_QUATERNION])
    opening = state[POSITION][7:9].sum() / 0.08
    pose = np.concatenate([state[EE_POSITION], axes[:, 0], axes[:2, 2], [opening]])
    return pose.astype(np.float32)


def in_gripper_frame(point: Array, state: Array) -> Array:
    """A point (3,) of the base frame as the gripper sees it [m]."""
    offset: Array = rotation(state[EE_QUATERNION]).T @ (point - state[EE_POSITION])
    return offset


def in_base_frame(point: Array, state: Array) -> Array:
    """A point (3,) that the gripper sees, in the base frame [m]."""
    position: Array = state[EE_POSITION] + rotation(state[EE_QUATERNION]) @ point
    return position


def truth(state: Array, objects: Array) -> tuple[NDArray[np.float32], bool]:
    """The quantities (10,) in the order of QUANTITIES, and whether there is an obstacle.

    Args:
        state: (34,) as `layout.STATE`, without noise.
        objects: (30,) as `layout.PERCEIVED`, as things are; the obstacle NaN where there is none.
    """
    values = ORIGIN.copy()
    cube, box = objects[_OBJECT], objects[_OBSTACLE]
    values[OBJECT] = in_gripper_frame(cube[:3], state)
    sideways = rotation(cube[3:7])[:2, 0]
    yaw = np.arctan2(sideways[1], sideways[0])
    values[TURN] = np.cos(4 * yaw), np.sin(4 * yaw)
    present = bool(np.isfinite(box).all())
    if present:
        values[OBSTACLE] = box[0], box[1], box[2] + box[9] / 2
    values[BIN] = objects[_BIN][:2]
    return values.astype(np.float32), present

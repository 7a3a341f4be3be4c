"""What the localiser is to say of a pair of images, and the truth it is trained on."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.layout import EE_POSITION, EE_QUATERNION, POSITION, object_slice

Array = NDArray[np.float64]

CAMERAS: Final = ("front", "wrist")

PIXELS: Final = 128
"""Side of the images it sees; camera images are averaged down to it."""

LENGTHS: Final = (
    "object.x",
    "object.y",
    "object.z",
    "obstacle.clearance",
    "obstacle.margin",
)
"""Lengths [m] it estimates: the object's centre in the gripper's frame; the horizontal gap from the
gripper to the obstacle's box, 0 above it; the gripper's height over the obstacle's top."""

OBSTACLE_LENGTHS: Final = slice(3, 5)

SCALE: Final = 0.1
"""Metres to the network's unit."""

POSE_SIZE: Final = 9
"""Numbers of the arm's pose that go with the images."""

_OBSTACLE: Final = object_slice("obstacle")
_OBJECT: Final = object_slice("object")


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


def truth(state: Array, objects: Array) -> tuple[NDArray[np.float32], bool]:
    """The lengths (5,) in the order of LENGTHS, and whether there is an obstacle.

    Args:
        state: (34,) as `layout.STATE`, without noise.
        objects: (30,) as `layout.PERCEIVED`, as things are; the obstacle NaN where there is none.
    """
    lengths = np.zeros(len(LENGTHS))
    lengths[:3] = in_gripper_frame(objects[_OBJECT][:3], state)
    obstacle = objects[_OBSTACLE]
    present = bool(np.isfinite(obstacle).all())
    if present:
        lengths[3] = footprint_gap(obstacle, state[EE_POSITION])
        lengths[4] = state[EE_POSITION][2] - (obstacle[2] + obstacle[9] / 2)
    return lengths.astype(np.float32), present


def footprint_gap(box: Array, point: Array) -> float:
    """Horizontal distance [m] from a point to an upright box (10,), turned by its yaw."""
    turned = rotation(box[3:7]).T @ (point - box[:3])
    beyond = np.maximum(np.abs(turned[:2]) - box[7:9] / 2, 0.0)
    return float(np.hypot(*beyond))

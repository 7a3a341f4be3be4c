"""Rotations that a policy needs to point a gripper; quaternions are (x, y, z, w)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def matrix_from_quaternion(quaternion: ArrayLike) -> Array:
    """The rotation matrix (3, 3) of a quaternion (4,), which is normalised first."""
    x, y, z, w = np.asarray(quaternion, dtype=np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def yaw_from_quaternion(quaternion: ArrayLike) -> float:
    """The angle [rad] about the vertical axis by which the body's x axis is turned."""
    matrix = matrix_from_quaternion(quaternion)
    return float(np.arctan2(matrix[1, 0], matrix[0, 0]))


def downward_orientation(yaw: float) -> Array:
    """The orientation (3, 3) of a hand that points down, its fingers square to a box at `yaw`.

    A box looks the same every quarter turn; the turn within [-45, 45) degrees is taken.
    """
    turn = (yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.array([[cosine, sine, 0.0], [sine, -cosine, 0.0], [0.0, 0.0, -1.0]])


def rotation_error(wanted: Array, actual: Array) -> Array:
    """The rotation vector (3,) rad, in the base frame, that turns `actual` towards `wanted`.

    Half the skew part of `wanted actual^T`, that is sin(angle) times the axis: the rotation vector
    for small angles, and never longer than 1.
    """
    error = wanted @ actual.T
    return 0.5 * np.array(
        [error[2, 1] - error[1, 2], error[0, 2] - error[2, 0], error[1, 0] - error[0, 1]]
    )

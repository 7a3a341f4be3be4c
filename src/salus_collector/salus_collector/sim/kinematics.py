"""Inverse kinematics of the arm by damped least squares.

A maintained library was measured against it: for the same two iterations mink 1.3 with its solver
daqp takes eight times as long or more (`python -m salus_collector.sim.measure ik`), for an accuracy
below a tenth of a millimetre that the servos do not keep.
"""

from typing import Any, Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.panda import HOME
from salus_data.action_space import JOINT_POSITION

Array = NDArray[np.float64]

_MARGIN: Final = 0.01  # kept from the joint limits [rad]
LOWEST: Final = np.array(JOINT_POSITION.low[:7]) + _MARGIN
HIGHEST: Final = np.array(JOINT_POSITION.high[:7]) - _MARGIN
"""The joint positions that are ever commanded (7,) [rad]."""

_ITERATIONS: Final = 2  # with one, an arm at the end of its reach hardly comes back
_DAMPED: Final = 1e-3 * np.eye(6)  # lambda squared; the Jacobian's singular values: 0.1 to 1.5
_POSTURE_GAIN: Final = 0.05  # pull of the spare degree of freedom toward HOME, per iteration
_LARGEST_CHANGE: Final = 0.12  # of a joint in an iteration [rad]; beyond, it is not linear
_HOME: Final = np.array(HOME)


class InverseKinematics:
    """Finds joint positions for a pose of the gripper.

    With the pull toward HOME, n, in the null space (Nakamura and Hanafusa 1986), an iteration is
    dq = J^T (J J^T + damping I)^-1 (e - J n) + n, where J is the Jacobian (6, 7) and e the error
    of position [m] and orientation [rad].
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._data = mujoco.MjData(model)  # the arm as commanded
        self._tcp = int(model.site("tcp").id)
        self._jacobian = np.zeros((6, model.nv))
        self._position_jacobian, self._turn_jacobian = self._jacobian[:3], self._jacobian[3:]

    def solve(self, position: Array, quaternion: Array, start: Array) -> Array:
        """Joint positions (7,) [rad] near `start` that bring the gripper to a pose.

        Args:
            position: (3,) [m].
            quaternion: (4,) wxyz.
            start: (7,) [rad].

        Returns:
            What two iterations find within the joint limits: 0.1 mm off (median) while the pose
            moves by 16 mm a step. The next step takes up the rest, as the pose is absolute.
        """
        model, data, tcp = self._model, self._data, self._tcp
        joints: Array = np.array(start)
        rotation, error, change = np.empty(9), np.empty(6), np.empty(6)
        mujoco.mju_quat2Mat(rotation, quaternion)
        wanted = rotation.reshape(3, 3)
        for _ in range(_ITERATIONS):
            data.qpos[:7] = joints
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            mujoco.mj_jacSite(model, data, self._position_jacobian, self._turn_jacobian, tcp)
            jacobian = self._jacobian[:, :7].copy()  # contiguous, for the products
            error[:3] = position - data.site_xpos[tcp]
            turn = (wanted @ data.site_xmat[tcp].reshape(3, 3).T).ravel().tolist()
            error[3:] = (
                0.5 * (turn[7] - turn[5]),
                0.5 * (turn[2] - turn[6]),
                0.5 * (turn[3] - turn[1]),
            )
            gram = jacobian @ jacobian.T
            gram += _DAMPED
            posture = _POSTURE_GAIN * (_HOME - joints)
            mujoco.mju_cholFactor(gram, 0.0)
            mujoco.mju_cholSolve(change, gram, error - jacobian @ posture)
            joints += np.minimum(
                np.maximum(change @ jacobian + posture, -_LARGEST_CHANGE), _LARGEST_CHANGE
            )
            joints = np.minimum(np.maximum(joints, LOWEST), HIGHEST)
        return joints

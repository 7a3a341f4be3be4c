"""From an action to the targets of the joint servos at every substep."""

import math
from typing import Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.kinematics import HIGHEST, LOWEST, InverseKinematics
from salus_collector.sim.panda import FINGER_TRAVEL
from salus_collector.sim.world import CONTROL_STEP, SUBSTEPS, World
from salus_data.action_space import DELTA_EE, ActionSpace

Array = NDArray[np.float64]

LEAD_LIMIT: Final = 0.08
"""How far the commanded position may run ahead of the arm, per axis [m], so as not to wind up."""
TURN_LIMIT: Final = 0.35
"""How far the commanded orientation may run ahead of the arm [rad]."""
JOINT_SPEED: Final = 2.175
"""Speed limit of the Panda's slowest joints [rad/s]."""

_LARGEST_TURN: Final = math.cos(TURN_LIMIT / 2)  # as the scalar product of two quaternions
_SHARES: Final = np.arange(1, SUBSTEPS + 1)[:, None] / SUBSTEPS


class Controller:
    """Holds the commanded pose of the gripper and solves inverse kinematics for it.

    The commanded pose integrates the actions, not the measured pose: an arm that lags under load
    would otherwise sag. It never runs further ahead of the arm than LEAD_LIMIT and TURN_LIMIT.
    """

    def __init__(self, world: World, space: ActionSpace) -> None:
        self._world, self._space = world, space
        self._kinematics = InverseKinematics(world.model)
        self._position = np.zeros(3)
        self._quaternion = np.array((1.0, 0, 0, 0))

    def reset(self) -> None:
        """Command the pose that the arm has."""
        self._position[:] = self._world.gripper_position
        mujoco.mju_mat2Quat(self._quaternion, self._world.gripper_rotation.ravel())

    @property
    def target(self) -> Array:
        """The commanded pose (7,): position [m] and quaternion wxyz; a copy."""
        return np.concatenate((self._position, self._quaternion))

    @target.setter
    def target(self, pose: Array) -> None:
        self._position[:], self._quaternion[:] = pose[:3], pose[3:]

    def plan(self, action: Array) -> Array:
        """Servo targets (SUBSTEPS, 8) [rad; m] for an action of the space.

        The arm's targets move linearly from the last one: a step in the target saturates the
        drives for half the control step.
        """
        before = self._world.data.ctrl[:7].copy()
        if self._space.name == DELTA_EE.name:
            after = self._follow(action)
        else:
            reach = JOINT_SPEED * CONTROL_STEP
            after = before + np.clip(action[:7] - before, -reach, reach)
            after = np.minimum(np.maximum(after, LOWEST), HIGHEST)
        targets = np.empty((SUBSTEPS, 8))
        targets[:, :7] = before + (after - before) * _SHARES
        targets[:, 7] = FINGER_TRAVEL * action[-1]
        return targets

    def _follow(self, action: Array) -> Array:
        world = self._world
        self._position += action[:3]
        turn = np.empty(4)
        angle = math.sqrt(float(action[3:6] @ action[3:6]))
        if angle > 0:
            mujoco.mju_axisAngle2Quat(turn, action[3:6] / angle, angle)
            mujoco.mju_mulQuat(self._quaternion, turn, self._quaternion.copy())
            mujoco.mju_normalize4(self._quaternion)
        actual = world.gripper_position
        np.minimum(self._position, actual + LEAD_LIMIT, out=self._position)
        np.maximum(self._position, actual - LEAD_LIMIT, out=self._position)
        self._limit_turn()
        return self._kinematics.solve(self._position, self._quaternion, world.data.ctrl[:7])

    def _limit_turn(self) -> None:
        """Keep the commanded orientation within TURN_LIMIT of the arm's."""
        actual = self._world.gripper_quaternion
        if abs(actual @ self._quaternion) >= _LARGEST_TURN:
            return
        inverse, difference, vector = np.empty(4), np.empty(4), np.empty(3)
        mujoco.mju_negQuat(inverse, actual)
        mujoco.mju_mulQuat(difference, self._quaternion, inverse)
        mujoco.mju_quat2Vel(vector, difference, 1.0)
        mujoco.mju_axisAngle2Quat(difference, vector / np.linalg.norm(vector), TURN_LIMIT)
        mujoco.mju_mulQuat(self._quaternion, difference, actual)

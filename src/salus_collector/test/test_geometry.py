"""Rotations that point the gripper, checked against MuJoCo's own."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus_collector.policy.geometry import (
    downward_orientation,
    matrix_from_quaternion,
    rotation_error,
    yaw_from_quaternion,
)

angles = st.floats(-np.pi, np.pi)
components = st.floats(-1, 1)


@given(st.tuples(components, components, components, components))
@settings(max_examples=50, deadline=None)
def test_a_quaternion_gives_mujocos_matrix(xyzw: tuple[float, ...]) -> None:
    quaternion = np.array(xyzw)
    if np.linalg.norm(quaternion) < 1e-3:
        quaternion = np.array([0.0, 0.0, 0.0, 1.0])
    expected = np.empty(9)
    unit = quaternion / np.linalg.norm(quaternion)
    mujoco.mju_quat2Mat(expected, unit[[3, 0, 1, 2]])
    assert matrix_from_quaternion(quaternion) == pytest.approx(expected.reshape(3, 3), abs=1e-12)


@given(angles)
@settings(max_examples=50, deadline=None)
def test_the_hand_points_down_and_turns_at_most_an_eighth(yaw: float) -> None:
    matrix = downward_orientation(yaw)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert matrix[:, 2] == pytest.approx([0, 0, -1])
    turn = np.arctan2(matrix[1, 0], matrix[0, 0])
    assert abs(turn) <= np.pi / 4 + 1e-9
    quarter_turns = (yaw - turn) / (np.pi / 2)
    assert quarter_turns == pytest.approx(round(quarter_turns), abs=1e-9)


@given(angles)
@settings(max_examples=50, deadline=None)
def test_yaw_is_read_back_from_a_quaternion(yaw: float) -> None:
    quaternion = np.array([0, 0, np.sin(yaw / 2), np.cos(yaw / 2)])
    difference = yaw_from_quaternion(quaternion) - yaw
    assert np.cos(difference) == pytest.approx(1)


@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), angles)
@settings(max_examples=50, deadline=None)
def test_the_rotation_error_turns_the_actual_towards_the_wanted(
    first: float, second: float, yaw: float
) -> None:
    wanted, actual = downward_orientation(first), downward_orientation(second)
    about = matrix_from_quaternion([0, 0, np.sin(yaw / 2), np.cos(yaw / 2)])
    error = rotation_error(about @ wanted, about @ actual)
    assert error == pytest.approx([0, 0, np.sin(first - second)], abs=1e-12)

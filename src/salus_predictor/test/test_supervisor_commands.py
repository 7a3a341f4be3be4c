"""What each state emits: never further from where the arm is than the policy would have gone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from salus_data.action_space import DELTA_EE, JOINT_POSITION, ActionSpace
from salus_data.errors import ActionError
from salus_data.types import SupervisorStatus as Status
from salus_predictor.supervisor.commands import Commands
from salus_predictor.supervisor.config import Retreat
from salus_predictor.supervisor.path import REACHED
from salus_predictor.supervisor.posture import Posture

PERIOD = 1 / 30
SPACES = pytest.mark.parametrize("space", [DELTA_EE, JOINT_POSITION], ids=lambda s: s.name)
RETREAT = Retreat(distance=0.05, speed=0.15, joint_speed=0.3)
numbers = st.floats(-4, 4)
widths = st.floats(0, 0.08)


def unit(vector: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(vector)
    return vector / norm if norm > 1e-3 else np.array([0.0, 0.0, 0.0, 1.0])


postures = st.builds(
    lambda joints, position, quaternion, width: Posture(joints, position, unit(quaternion), width),
    arrays(float, 7, elements=numbers),
    arrays(float, 3, elements=st.floats(-1, 1)),
    arrays(float, 4, elements=st.floats(-1, 1)),
    widths,
)


def make(space: ActionSpace) -> Commands:
    return Commands(space, PERIOD, RETREAT, slow_factor=0.5)


def reach(space: ActionSpace, action: np.ndarray, posture: Posture) -> np.ndarray:
    """How far an action, as the robot executes it, moves: every joint, or the gripper."""
    executed = np.clip(action, space.low, space.high)
    if space is JOINT_POSITION:
        return np.abs(executed[:7] - posture.joints)
    return np.array([np.linalg.norm(executed[:3]), np.linalg.norm(executed[3:6])])


@SPACES
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_command_moves_further_than_the_proposed_one(
    space: ActionSpace, data: st.DataObject
) -> None:
    commands = make(space)
    for _ in range(data.draw(st.integers(1, 5))):
        posture = data.draw(postures)
        proposed = data.draw(arrays(float, space.size, elements=numbers))
        status = data.draw(st.sampled_from([Status.NORMAL, Status.SLOWED, Status.HOLDING]))
        action = commands.command(status, proposed, posture)
        assert np.isfinite(action).all()
        asked, done = reach(space, proposed, posture), reach(space, action, posture)
        assert (done <= asked + 1e-12).all()


@SPACES
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_retreat_goes_towards_where_the_arm_was_and_never_fast(
    space: ActionSpace, data: st.DataObject
) -> None:
    commands = make(space)
    low, high = np.array(space.low), np.array(space.high)
    been = []
    for _ in range(data.draw(st.integers(1, 6))):
        posture = data.draw(postures)
        posture = Posture(
            np.clip(posture.joints, JOINT_POSITION.low[:-1], JOINT_POSITION.high[:-1]),
            posture.position,
            posture.quaternion,
            posture.width,
        )
        been.append(posture)
        commands.command(Status.NORMAL, (low + high) / 2, posture)
    here = data.draw(postures)
    here = Posture(
        np.clip(here.joints, JOINT_POSITION.low[:-1], JOINT_POSITION.high[:-1]),
        here.position,
        here.quaternion,
        here.width,
    )
    action = commands.command(Status.RETREATING, None, here)
    assert (action >= low).all()
    assert (action <= high).all()
    if space is DELTA_EE:
        assert np.linalg.norm(action[:3]) <= RETREAT.speed * PERIOD + 1e-12
        nearer = [
            np.linalg.norm(here.position + action[:3] - p.position)
            <= np.linalg.norm(here.position - p.position) + 1e-12
            for p in been
        ]
    else:
        moved = action[:7] - here.joints
        assert np.abs(moved).max() <= RETREAT.joint_speed * PERIOD + 1e-12
        nearer = [
            bool((np.abs(action[:7] - p.joints) <= np.abs(here.joints - p.joints) + 1e-9).all())
            for p in been
        ]
    assert any(nearer)


def at(x: float, width: float = 0.04) -> Posture:
    joints = np.array([x, -0.5, 0.0, -2.0, 0.0, 1.5, 0.0])
    return Posture(joints, np.array([x, 0.0, 0.3]), np.array([1.0, 0, 0, 0]), width)


def test_passing_through_changes_no_bit() -> None:
    proposed = np.array([0.1, 0.3, -0.7, 1e-17, 0.2, 0.1, 0.9])
    assert make(DELTA_EE).command(Status.NORMAL, proposed, None) is proposed


def test_a_hold_keeps_the_hand_as_last_told() -> None:
    commands = make(DELTA_EE)
    commands.command(Status.NORMAL, np.array([0.01, 0, 0, 0, 0, 0, 0.3]), at(0))
    held = commands.command(Status.HOLDING, np.array([0.01, 0, 0, 0, 0, 0, 1.0]), at(0.01))
    np.testing.assert_array_equal(held, [0, 0, 0, 0, 0, 0, 0.3])


def test_a_first_hold_keeps_the_hand_as_measured() -> None:
    held = make(DELTA_EE).command(Status.HOLDING, None, at(0, width=0.02))
    assert held[-1] == pytest.approx(0.25)


def test_a_hold_of_joint_targets_is_no_zero_vector() -> None:
    held = make(JOINT_POSITION).command(Status.HOLDING, None, at(0.4))
    np.testing.assert_allclose(held[:7], at(0.4).joints)
    with pytest.raises(ActionError, match="not known"):
        make(JOINT_POSITION).command(Status.HOLDING, np.zeros(8), None)


def test_slowing_a_joint_target_goes_half_the_way_from_where_the_arm_is() -> None:
    target = np.append(at(1.0).joints, 1.0)
    slowed = make(JOINT_POSITION).command(Status.SLOWED, target, at(0.4))
    assert slowed[0] == pytest.approx(0.7)
    assert slowed[3] == pytest.approx(-2.0)


@SPACES
def test_a_retreat_goes_back_the_way_it_came_and_ends_after_its_distance(
    space: ActionSpace,
) -> None:
    commands = make(space)
    xs = np.linspace(0, 0.3, 31)
    for x in xs:
        motion = np.zeros(6) if space is DELTA_EE else at(x).joints
        commands.command(Status.NORMAL, np.append(motion, 0.0), at(x))
    x, travelled = 0.3, []
    for _ in range(200):
        action = commands.command(Status.RETREATING, None, at(x))
        if commands.retreat_over:
            break
        assert action[-1] == 0.0, "the hand stays as it was"
        dx = action[0] if space is DELTA_EE else action[0] - x
        assert dx <= 0
        travelled.append(dx)
        x += dx
    assert commands.retreat_over
    assert -sum(travelled) == pytest.approx(RETREAT.distance, abs=0.012)


def test_a_retreat_ends_where_the_path_does_and_where_the_arm_is_blocked() -> None:
    commands = make(DELTA_EE)
    commands.command(Status.NORMAL, np.zeros(7), at(0))
    commands.command(Status.RETREATING, None, at(REACHED / 2))
    assert commands.retreat_over
    commands = make(DELTA_EE)
    for x in (0.0, 0.1):
        commands.command(Status.NORMAL, np.zeros(7), at(x))
    for _ in range(100):
        commands.command(Status.RETREATING, None, at(0.1))  # it never moves
    assert commands.retreat_over


@pytest.mark.parametrize(("width", "opening"), [(0.004, 1.0), (0.03, 0.0)])
def test_a_regrasp_opens_only_a_hand_that_holds_nothing(width: float, opening: float) -> None:
    commands = make(DELTA_EE)
    for x in (0.0, 0.05, 0.1):
        commands.command(Status.NORMAL, np.zeros(7), at(x, width))
    action = commands.command(Status.RETREATING, None, at(0.1, width), open_empty_hand=True)
    assert action[-1] == opening


def test_turning_back_takes_the_shorter_way() -> None:
    half = np.sqrt(0.5)
    here = Posture(np.zeros(7), np.zeros(3), np.array([0.0, 0, half, half]), 0.0)
    np.testing.assert_allclose(here.turn_to(np.array([0.0, 0, 0, 1])), [0, 0, -np.pi / 2])
    np.testing.assert_allclose(here.turn_to(np.array([0.0, 0, 0, -1])), [0, 0, -np.pi / 2])
    np.testing.assert_allclose(here.turn_to(here.quaternion), 0, atol=1e-12)


def test_unknown_where_the_arm_is_a_retreat_becomes_a_hold() -> None:
    commands = make(DELTA_EE)
    commands.command(Status.NORMAL, np.full(7, 0.01), at(0))
    nan = Posture(np.full(7, np.nan), np.full(3, np.nan), np.full(4, np.nan), np.nan)
    np.testing.assert_array_equal(commands.command(Status.RETREATING, None, nan)[:6], 0)

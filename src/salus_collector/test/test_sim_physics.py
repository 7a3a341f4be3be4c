"""Each event caused physically, by commands alone, in the simulation itself."""

import numpy as np
import pytest

from salus_collector.sim.disturbance import NoDisturbance
from salus_collector.sim.environment import PandaPickPlace
from salus_data.types import FailureType, Outcome

OPEN, CLOSED = 1.0, 0.0
SEED = 4


@pytest.fixture(scope="module")
def environment():
    with PandaPickPlace(image_size=0, idle_steps_max=0) as made:
        yield made


class Hand:
    """Moves the gripper to points; notes what the environment says."""

    def __init__(self, environment, *, seed=SEED, disturbance=None, speed=0.016):
        self.environment, self.speed, self.grip = environment, speed, OPEN
        self.observation, self.info = environment.reset(
            seed=seed, options={"disturbance": disturbance}
        )
        perceived = self.observation["perceived"]
        self.cube, self.bin = perceived[:3].copy(), perceived[20:23].copy()
        self.obstacle = perceived[10:20].copy()
        self.onsets = []

    @property
    def event(self):
        return self.info.get("event")

    def step(self, motion=(0, 0, 0), turn=(0, 0, 0)):
        if self.event is None:
            action = np.array([*motion, *turn, self.grip])
            self.observation, _, _, _, self.info = self.environment.step(action)
            if self.info["onset"] is not None:
                self.onsets.append(self.info["onset"])

    def to(self, *point, limit=60):
        """Go straight to a point [m], the fingers turned along the cube; False if not reached."""
        x, y, z, w = self.observation["perceived"][3:7]
        yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        yaw = (yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4
        commanded = np.array(self.observation["state"][27:30])
        for _ in range(limit):
            here = self.observation["state"][27:30]
            if np.linalg.norm(point - here) < 0.005 or self.event is not None:
                return self.event is None
            error = point - commanded
            motion = error * min(1, self.speed / max(np.linalg.norm(error), 1e-9))
            commanded = commanded + motion
            rotation = self.environment.world.gripper_rotation
            turn = np.arctan2(rotation[1, 0], rotation[0, 0])
            self.step(motion, (0, 0, np.clip(yaw - turn, -0.06, 0.06)))
        return False

    def wait(self, steps):
        for _ in range(steps):
            self.step()

    def pick(self):
        x, y, z = self.cube
        self.to(x, y, 0.12)
        self.to(x, y, z)
        self.grip = CLOSED
        self.wait(8)
        self.to(x, y, 0.32)


def test_a_correct_pick_and_place_succeeds(environment):
    hand = Hand(environment)
    hand.pick()
    assert environment.world.held
    hand.to(*hand.bin[:2], 0.32)
    hand.to(*hand.bin[:2], 0.10)
    hand.grip = OPEN
    hand.wait(25)
    event = hand.event
    assert event.outcome == Outcome.SUCCESS
    assert event.bodies == ("cube",)
    assert 0 < event.onset_step <= event.confirm_step == hand.info["step"]
    assert [name for name, _ in hand.info["milestones"]] == ["reach", "grasp", "lift", "carry"]
    rows = [row for _, row in hand.info["milestones"]]
    assert rows == sorted(rows)


def test_driving_into_the_table_is_a_collision(environment):
    hand = Hand(environment)
    hand.to(0.5, -0.4, 0.12)
    hand.to(0.5, -0.4, -0.1)
    event = hand.event
    assert (event.outcome, event.failure_type) == (Outcome.FAILURE, FailureType.COLLISION)
    assert event.bodies[0] in ("left_finger", "right_finger")
    assert event.bodies[1] == "table"
    assert event.force > 20
    assert event.onset_step == np.ceil(event.onset_time * 30 - 1e-9)
    assert hand.onsets[0].onset_step == event.onset_step


@pytest.mark.parametrize("target", ["obstacle", "bin"])
def test_running_into_furniture_is_a_collision_with_it(environment, target):
    hand = Hand(environment)
    x, y, _ = hand.obstacle[:3] if target == "obstacle" else hand.bin
    away = 0.15
    hand.to(x - away, y, 0.3)
    hand.to(x - away, y, 0.03)
    hand.to(x + away, y, 0.03)
    assert hand.event.failure_type == FailureType.COLLISION
    assert hand.event.bodies[1] == target


def test_touching_the_table_gently_is_none(environment):
    hand = Hand(environment)
    environment.freeze_stall(True)
    hand.to(0.5, -0.4, 0.12)
    hand.to(0.5, -0.4, 0.02)  # the fingertips are 8 mm below the gripper's point
    for _ in range(40):
        if environment.world.data.sensor("robot_table").data[0]:
            break
        hand.step((0, 0, -0.001))
    assert environment.world.data.sensor("robot_table").data[0]
    hand.wait(3)
    assert hand.event is None


def test_opening_the_hand_in_the_air_is_a_drop(environment):
    hand = Hand(environment)
    hand.pick()
    before = hand.info["step"]
    hand.grip = OPEN
    hand.wait(25)
    event = hand.event
    assert event.failure_type == FailureType.DROP
    assert before < event.onset_step <= before + 3
    # It falls from 30 cm: sqrt(2 h / g) = 0.24 s, 7 steps.
    assert 5 <= event.confirm_step - event.onset_step <= 10
    assert (event.onset_step - 1) / 30 < event.onset_time <= event.onset_step / 30


def test_a_cube_caught_again_was_not_dropped(environment):
    """Pushed along with the hand in free fall, the cube is gripped again before it lands."""
    hand = Hand(environment)
    hand.pick()
    hand.grip = OPEN
    while not hand.onsets and hand.event is None:
        hand.step()
    hand.grip = CLOSED
    world = environment.world
    world.place("cube", world.gripper_position)  # as if the hand had followed it
    world.data.qvel[world.cube_velocity : world.cube_velocity + 6] = 0
    hand.wait(20)
    assert hand.event is None
    assert world.held


def test_closing_beside_the_cube_is_a_miss_dated_at_the_closure(environment):
    hand = Hand(environment)
    x, y, z = hand.cube
    hand.to(x + 0.06, y, 0.12)
    hand.to(x + 0.06, y, z)
    hand.grip = CLOSED
    told = hand.info["step"]
    hand.wait(12)
    assert hand.event is None
    hand.to(x + 0.06, y, 0.3)
    event = hand.event
    assert event.failure_type == FailureType.MISS
    assert told < event.onset_step <= told + 6
    assert event.confirm_step > told + 12


def test_a_second_attempt_that_grasps_is_no_miss(environment):
    hand = Hand(environment)
    x, y, z = hand.cube
    hand.to(x + 0.055, y, 0.12)
    hand.to(x + 0.055, y, z)
    hand.grip = CLOSED
    hand.wait(8)
    assert hand.onsets[0].failure_type == FailureType.MISS
    hand.grip = OPEN
    hand.wait(8)
    hand.to(x, y, z)
    hand.grip = CLOSED
    hand.wait(8)
    hand.to(x, y, 0.25)
    assert hand.event is None
    assert environment.world.held


def test_doing_nothing_times_out(environment):
    hand = Hand(environment)
    hand.wait(61)
    event = hand.event
    assert (event.failure_type, event.timeout_kind) == (FailureType.TIMEOUT, "stall")
    assert event.onset_step == event.confirm_step == 60


def test_a_frozen_stall_clock_does_not_run():
    environment = PandaPickPlace(image_size=0, idle_steps_max=0)
    hand = Hand(environment)
    environment.freeze_stall(True)
    hand.wait(100)
    assert hand.event is None
    environment.freeze_stall(False)
    hand.wait(61)
    assert hand.event.onset_step == 160


def test_the_step_limit_is_no_failure():
    hand = Hand(PandaPickPlace(image_size=0, idle_steps_max=0, step_limit=20))
    hand.wait(25)
    assert hand.event.outcome == Outcome.TRUNCATED
    assert hand.event.failure_type == -1
    assert hand.info["step"] == 20


def test_the_legacy_rule_makes_the_step_limit_a_timeout():
    environment = PandaPickPlace(
        image_size=0, idle_steps_max=0, step_limit=80, timeout_rule="limit"
    )
    hand = Hand(environment)
    hand.wait(90)
    assert hand.event.failure_type == FailureType.TIMEOUT
    assert hand.event.timeout_kind == "limit"
    assert hand.event.onset_step == 80


class FadingGrip(NoDisturbance):
    """The hand loses its force 30 steps into the episode's grasp."""

    def __init__(self):
        self.steps = 0

    def before_step(self, world):
        self.steps += world.ever_held
        if self.steps > 20:
            world.set_grip_force(max(0.3, world.grip_force * 0.7))


def test_a_fading_grip_drops_the_cube_without_any_command_to_open(environment):
    hand = Hand(environment, disturbance=FadingGrip())
    hand.pick()
    hand.wait(40)
    assert hand.event.failure_type == FailureType.DROP
    # The next episode has the hand's full force again.
    environment.reset(seed=SEED)
    assert environment.world.grip_force == 60


class Blast(NoDisturbance):
    """A velocity no simulation survives."""

    def before_step(self, world):
        if world.step == 5:
            world.data.qvel[0] = 1e12


def test_an_unstable_simulation_discards_the_episode_and_the_next_one_is_sound(environment):
    hand = Hand(environment, disturbance=Blast())
    hand.wait(10)
    assert hand.event.outcome == Outcome.DISCARDED
    assert hand.event.failure_type == -1
    assert "velocities" in hand.event.reason
    assert hand.info["step"] == 6
    hand = Hand(environment)
    hand.pick()
    assert environment.world.held


def test_joint_targets_reach_where_they_point_and_hold_keeps_the_arm():
    environment = PandaPickPlace(image_size=0, idle_steps_max=0, action_space="joint_position")
    observation, _ = environment.reset(seed=1)
    target = observation["state"][:7] + np.array([0.2, 0.1, -0.1, 0.1, 0.0, 0.1, 0.3])
    for _ in range(40):
        observation, *_ = environment.step(np.append(target, OPEN))
    np.testing.assert_allclose(observation["state"][:7], target, atol=0.02)
    here = observation["state"][:7].copy()
    for _ in range(10):
        hold = environment.space.hold(joint_position=observation["state"][:7], gripper=OPEN)
        observation, *_ = environment.step(hold)
    np.testing.assert_allclose(observation["state"][:7], here, atol=0.01)


def test_a_far_joint_target_is_approached_no_faster_than_the_arm_can():
    environment = PandaPickPlace(image_size=0, idle_steps_max=0, action_space="joint_position")
    environment.reset(seed=1)
    before = environment.world.data.ctrl[:7].copy()
    far = np.array([2.5, 1.5, 2.5, -0.5, 2.5, 3.0, 2.5])
    environment.step(np.append(far, OPEN))
    assert np.abs(environment.world.data.ctrl[:7] - before).max() <= 2.175 / 30 + 1e-9


def test_a_delta_moves_the_gripper_by_so_much_and_a_blocked_arm_does_not_wind_up(environment):
    hand = Hand(environment)
    environment.freeze_stall(True)
    before = hand.observation["state"][27:30].copy()
    for _ in range(10):
        hand.step((0.01, -0.005, -0.01))
    hand.wait(10)
    moved = hand.observation["state"][27:30] - before
    np.testing.assert_allclose(moved, (0.1, -0.05, -0.1), atol=0.004)
    for _ in range(60):
        hand.step((0.025, 0, 0.0))  # beyond the arm's reach
    stretched = hand.observation["state"][27].copy()
    for _ in range(8):
        hand.step((-0.025, 0, 0))
    assert hand.observation["state"][27] < stretched - 0.03

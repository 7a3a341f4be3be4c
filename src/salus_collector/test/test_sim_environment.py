"""The environment's promises: determinism, snapshots, checked input, observations."""

import hashlib
import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus_collector.sim import randomisation, registry
from salus_collector.sim.config import ConfigurationError, SimulationConfig
from salus_collector.sim.disturbance import NoDisturbance
from salus_collector.sim.environment import EpisodeOverError, PandaPickPlace
from salus_data.errors import ActionError, FormatError, SalusError, UnknownNameError
from salus_data.layout import EE_POSITION, EE_QUATERNION, POSITION, object_slice


@pytest.fixture(scope="module")
def environment():
    with PandaPickPlace(image_size=0) as made:
        yield made


def commands(seed, count):
    """Random actions that keep the arm busy near the cube."""
    rng = np.random.default_rng(seed)
    motions = rng.uniform(-0.01, 0.01, (count, 6))
    motions[:, 2] -= 0.006
    return np.column_stack((motions, rng.uniform(0, 1, count) > 0.3))


def positions(environment, actions):
    rows = []
    for action in actions:
        _, _, terminated, truncated, _ = environment.step(action)
        rows.append(environment.world.data.qpos.copy())
        if terminated or truncated:
            break
    return np.array(rows)


SCRIPT = """
import hashlib
import numpy as np
from salus_collector.sim.environment import PandaPickPlace

environment = PandaPickPlace(image_size=64)
digest = hashlib.sha256()
for seed in {seeds}:
    observation, info = environment.reset(seed=seed)
    for action in np.random.default_rng(seed).uniform(-0.01, 0.01, (12, 7)):
        observation, *_ = environment.step(action)
        digest.update(environment.world.data.qpos.tobytes())
        for name in sorted(observation):
            digest.update(observation[name].tobytes())
print(digest.hexdigest())
"""


def digest_of_process(seeds):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(seeds=seeds)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


def test_two_processes_give_the_same_bytes_and_another_seed_gives_others():
    first = digest_of_process([3, 4])
    assert first == digest_of_process([3, 4])
    assert first != digest_of_process([3, 5])
    assert len(first) == hashlib.sha256().digest_size * 2


class Heavy(NoDisturbance):
    """Changes every parameter a family may change."""

    def on_reset(self, world, rng):
        world.set_object_mass(0.5)
        world.set_object_half(0.03)
        world.set_friction(0.2)
        world.set_grip_force(5.0)
        world.set_obstacle_half((0.05, 0.05, 0.15))
        world.move_camera("front", (0.1, 0, 0), (0, 0, 0.2))
        world.set_light(0.3)

    def before_step(self, world):
        world.push("hand", (5.0, 0, 0))


def test_an_episode_does_not_depend_on_the_ones_before(environment):
    environment.reset(seed=7)
    expected = positions(environment, commands(0, 40))
    environment.reset(seed=8, options={"disturbance": Heavy()})
    disturbed = positions(environment, commands(0, 40))
    environment.reset(seed=7)
    assert positions(environment, commands(0, 40)).tobytes() == expected.tobytes()
    environment.reset(seed=8)
    assert positions(environment, commands(0, 40)).tobytes() != disturbed.tobytes()


def test_a_restored_step_replays_bitwise_in_this_environment_and_in_a_fresh_one(environment):
    environment.reset(seed=2, options={"disturbance": Heavy()})
    positions(environment, commands(1, 25))
    snapshot = environment.snapshot()
    expected = positions(environment, commands(2, 20))
    environment.reset(seed=9)
    for other in (environment, PandaPickPlace(image_size=0)):
        observation = other.restore(snapshot)
        np.testing.assert_array_equal(observation["state"], snapshot.observation["state"])
        np.testing.assert_array_equal(other.sim_state, snapshot.sim_state)
        assert other.world.step == 25
        assert positions(other, commands(2, 20)).tobytes() == expected.tobytes()


def arrays(model):
    """Every array of an MjModel as bytes."""
    found = {name: getattr(model, name) for name in dir(model) if not name.startswith("_")}
    return {name: a.tobytes() for name, a in found.items() if isinstance(a, np.ndarray)}


def test_restoring_puts_back_every_array_of_the_model(environment):
    environment.reset(seed=2, options={"disturbance": Heavy()})
    snapshot, before = environment.snapshot(), arrays(environment.world.model)
    environment.reset(seed=9)
    changed = arrays(environment.world.model)
    assert sum(before[name] != changed[name] for name in before) > 5
    environment.restore(snapshot)
    after = arrays(environment.world.model)
    assert [name for name in before if before[name] != after[name]] == []


def test_a_restored_event_is_the_same_event(environment):
    environment.reset(seed=2)
    down = np.array([0, 0, -0.02, 0, 0, 0, 1.0])
    for _ in range(10):
        environment.step(down)
    snapshot = environment.snapshot()

    def until_event():
        while True:
            *_, terminated, truncated, info = environment.step(down)
            if terminated or truncated:
                return info["event"]

    first = until_event()
    environment.restore(snapshot)
    assert until_event() == first


def test_a_snapshot_of_another_model_is_refused(environment):
    environment.reset(seed=0)
    snapshot = environment.snapshot()
    object.__setattr__(snapshot, "sim_state", snapshot.sim_state[:-1])
    with pytest.raises(FormatError, match="sim_state"):
        environment.restore(snapshot)


@pytest.mark.parametrize(
    "action",
    [np.zeros(6), np.zeros((1, 7)), np.full(7, np.nan), [0, 0, np.inf, 0, 0, 0, 1], "stop", None],
)
def test_a_wrong_action_is_refused_and_changes_nothing(environment, action):
    environment.reset(seed=0)
    environment.step(np.zeros(7))
    before = environment.sim_state
    with pytest.raises(ActionError):
        environment.step(action)
    assert environment.sim_state.tobytes() == before.tobytes()
    assert environment.world.step == 1
    environment.step(np.zeros(7))


def test_stepping_needs_a_running_episode():
    environment = PandaPickPlace(image_size=0, step_limit=2)
    with pytest.raises(EpisodeOverError):
        environment.step(np.zeros(7))
    environment.reset(seed=0)
    environment.step(np.zeros(7))
    environment.step(np.zeros(7))
    with pytest.raises(EpisodeOverError):
        environment.step(np.zeros(7))


def test_the_observation_is_what_the_layout_says(environment):
    observation, info = environment.reset(seed=3)
    world, state = environment.world, observation["state"]
    assert info["step"] == 0
    np.testing.assert_allclose(state[POSITION][7:], 0.04, atol=1e-3)
    np.testing.assert_array_equal(state[EE_POSITION], world.gripper_position)
    assert np.linalg.norm(state[EE_QUATERNION]) == pytest.approx(1)
    assert abs(state[EE_QUATERNION][:2]).max() == pytest.approx(1, abs=0.05)  # points down: w ~ 0
    cube = observation["perceived"][object_slice("object")]
    np.testing.assert_array_equal(cube[:3], world.object_position)
    assert cube[2] == pytest.approx(cube[9] / 2)  # it stands on the table
    np.testing.assert_allclose(cube[7:], world.object_extents)
    assert environment.observation_space.contains(observation)


def test_observations_keep_their_values(environment):
    first, _ = environment.reset(seed=3)
    copy = {name: array.copy() for name, array in first.items()}
    environment.step(np.array([0.02, 0, 0, 0, 0, 0, 0.0]))
    for name, array in first.items():
        np.testing.assert_array_equal(array, copy[name])


@given(seed=st.integers(0, 2**31 - 1))
@settings(max_examples=40, deadline=None)
def test_every_drawn_scene_is_possible(seed):
    drawn = randomisation.draw(seed, SimulationConfig())
    assert drawn == randomisation.draw(seed, SimulationConfig())
    assert 0 <= drawn.idle_steps <= 90
    assert 2 * drawn.cube_half < 0.06  # the hand opens to 8 cm
    wide = np.hypot(0.08, 0.08)
    assert np.linalg.norm(np.subtract(drawn.cube, drawn.bin)) > wide + 2 * drawn.cube_half
    if drawn.obstacle is not None:
        apart = np.linalg.norm(np.subtract(drawn.cube, drawn.obstacle))
        assert apart > np.hypot(*drawn.obstacle_half[:2]) + 1.5 * drawn.cube_half
        assert drawn.bin[1] - drawn.obstacle[1] > 0.08 + 0.03


def test_a_setting_does_not_shift_the_other_draws():
    base = randomisation.draw(5, SimulationConfig())
    other = randomisation.draw(5, SimulationConfig(obstacle_probability=0, idle_steps_max=0))
    assert (other.cube, other.bin, other.arm, other.light) == (
        base.cube,
        base.bin,
        base.arm,
        base.light,
    )
    assert other.obstacle is None
    assert other.idle_steps == 0


def test_an_absent_obstacle_is_not_perceived_and_not_met():
    environment = PandaPickPlace(image_size=0, obstacle_probability=0.0)
    observation, _ = environment.reset(seed=0)
    assert np.isnan(observation["perceived"][object_slice("obstacle")]).all()
    assert environment.world.obstacle_position[2] < -1
    assert np.isfinite(observation["state"]).all()


class Lying(NoDisturbance):
    """Shifts what is perceived and measured, and stops the robot."""

    def perceive(self, perceived, world):
        return perceived + 0.5

    def measure(self, state, world):
        return state + 0.25

    def command(self, action, world):
        return np.array([0, 0, 0, 0, 0, 0, 1.0])


def test_a_disturbance_changes_what_is_seen_and_done_but_not_what_is_true(environment):
    observation, _ = environment.reset(seed=3, options={"disturbance": Lying()})
    world = environment.world
    np.testing.assert_allclose(observation["perceived"][:3], world.object_position + 0.5)
    before = world.gripper_position.copy()
    for _ in range(5):
        observation, *_ = environment.step(np.array([0.02, 0, 0, 0, 0, 0, 0.0]))
    np.testing.assert_allclose(observation["state"][EE_POSITION], world.gripper_position + 0.25)
    np.testing.assert_allclose(world.gripper_position, before, atol=2e-3)
    assert world.opening > 0.07


def test_the_hooks_draw_from_a_generator_that_follows_from_the_seed(environment):
    drawn = []

    class Drawing(NoDisturbance):
        def on_reset(self, world, rng):
            drawn.append((float(rng.uniform()), world.object_position.copy().tolist()))

    for seed in (1, 1, 2):
        environment.reset(seed=seed, options={"disturbance": Drawing()})
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][1][2] > 0.01  # poses are up to date when the hook runs


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"image_size": -1}, "image_size"),
        ({"step_limit": 0}, "step_limit"),
        ({"step_limit": 1.5}, "step_limit"),
        ({"stall_budget": float("nan")}, "stall_budget"),
        ({"obstacle_probability": 1.1}, "obstacle_probability"),
        ({"colour": 3}, "colour"),
    ],
)
def test_an_impossible_setting_is_named(settings, named):
    with pytest.raises(SalusError, match=named):
        PandaPickPlace(**settings)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UnknownNameError, match="joint_position"):
        SimulationConfig(action_space="torque")
    with pytest.raises(UnknownNameError, match="stall, limit"):
        SimulationConfig(timeout_rule="never")
    with pytest.raises(UnknownNameError, match="panda_pick_place"):
        registry.make_environment("kitchen")
    with pytest.raises(ConfigurationError):
        SimulationConfig(idle_steps_max=-1)


def test_reset_refuses_options_it_does_not_know(environment):
    with pytest.raises(SalusError, match="disturbance"):
        environment.reset(seed=0, options={"weather": "rain"})


def test_the_registry_makes_our_environment_and_those_of_others(monkeypatch):
    assert registry.DEFAULT in registry.environment_names()
    made = registry.make_environment(image_size=0)
    assert isinstance(made.unwrapped, PandaPickPlace)
    assert isinstance(made, gymnasium.Env)
    other = registry.EntryPoint("other", f"{__name__}:anything", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [other])
    assert registry.environment_names() == ("other", registry.DEFAULT)

"""Every family changes what it says it changes, and nothing else."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from salus_collector.plan import EpisodePlan
from salus_collector.policy.expert import Expert
from salus_collector.rollout import RolloutStep, rollout
from salus_collector.sim.disturbance_config import load_mix
from salus_collector.sim.environment import PandaPickPlace
from salus_collector.sim.families import registry
from salus_collector.sim.families.base import Family
from salus_collector.sim.families.registry import build_disturbance, families, family_named
from salus_collector.sim.parameters import read_parameters
from salus_collector.sim.world import CONTROL_STEP, World
from salus_data.action_space import DELTA_EE, JOINT_POSITION
from salus_data.errors import FormatError, UnknownNameError
from salus_data.layout import PERCEIVED, STATE, object_slice

DOCUMENT = Path(__file__).parents[3] / "docs" / "DISTURBANCES.md"

FULL = {
    "perception_offset": {"distance": 0.05, "direction": 0.3, "height": -0.02, "jitter": 0.001},
    "sensor_noise": {
        "jitter": 0.01,
        "drift": 0.01,
        "drift_time": 0.5,
        "joint_noise": 0.005,
        "pose_noise": 0.003,
    },
    "fading_grip": {"rate": 6.0, "delay": 0.2},
    "obstacle": {"height": 0.25, "sight": 0.0},
    "low_transit": {"missing_height": 0.02, "sight": 0.0},
    "slow_down": {"factor": 0.4},
    "freezes": {"rate": 20.0, "duration": 0.5},
    "mass": {"factor": 4.0},
    "friction": {"factor": 0.2},
    "camera_change": {"shift": 0.03, "turn": 0.1, "light": 0.5, "colour": 0.2},
    "camera_slip": {"shift": 0.06, "turn": 0.1, "start": 0.2, "duration": 0.3},
    "external_push": {
        "force": 60.0,
        "direction": 1.0,
        "elevation": 0.2,
        "start": 0.1,
        "duration": 0.1,
        "nudge_speed": 0.5,
        "nudge_direction": 0.5,
        "nudge_time": 0.1,
    },
    "gripper_glitch": {"rate": 20.0, "duration": 0.1},
}

CHANGED_PARAMETERS = {
    "obstacle": {"geom_size", "geom_rbound", "geom_aabb", "geom_rgba"},
    "mass": {
        "body_mass",
        "body_inertia",
        "body_subtreemass",
        "body_invweight0",
        "dof_invweight0",
        "dof_M0",
        "meaninertia",
        "meanmass",
        "cam_poscom0",
        "light_poscom0",
    },
    "friction": {"geom_friction"},
    "camera_change": {"cam_pos", "cam_quat", "light_diffuse", "geom_rgba"},
    "camera_slip": {"cam_pos", "cam_quat"},
    "fading_grip": {"actuator_forcerange"},
}

POSITIONS = {f"{name}.{axis}" for name in ("object", "obstacle", "bin") for axis in "xyz"}
CHANGED_PERCEPTION = {
    "perception_offset": {"object.x", "object.y", "object.z"},
    "sensor_noise": POSITIONS,
    "obstacle": {column.name for column in PERCEIVED if column.name.startswith("obstacle.")},
    "low_transit": {"obstacle.z", "obstacle.sz"},
}
CHANGED_STATE = {
    "sensor_noise": {f"joint{i}.position" for i in range(1, 8)} | {"ee.x", "ee.y", "ee.z"},
}
CHANGED_COMMANDS = {
    "slow_down": {"dx", "dy", "dz", "rx", "ry", "rz"},
    "freezes": set(DELTA_EE.names),
    "gripper_glitch": {"gripper"},
}


def neutral(name: str) -> dict[str, float]:
    """The values with which a family changes nothing."""
    return {
        p.name: FULL[name][p.name] if p.neutral is None else p.neutral
        for p in family_named(name).parameters
    }


@pytest.fixture(scope="module")
def environment() -> PandaPickPlace:
    return PandaPickPlace(image_size=0, step_limit=60)


def run(
    environment: PandaPickPlace, disturbance: Mapping[str, dict[str, float]], seed: int = 3
) -> bytes:
    """All that was observed and done, and the state of the physics after each step."""
    rows: list[bytes] = []
    core: Any = environment.unwrapped

    def keep(step: RolloutStep) -> None:
        arrays = (*(step.observation[k] for k in ("state", "perceived")), step.action)
        rows.extend(a.tobytes() for a in (*arrays, core.world.data.qpos, core.world.data.qvel))

    plan = EpisodePlan("0-000000", 0, seed, dict(disturbance), abrupt=False)
    record = rollout(environment, Expert(), plan, on_step=keep)
    assert record.disturbance == disturbance
    return b"".join(rows)


@pytest.fixture(scope="module")
def undisturbed(environment: PandaPickPlace) -> bytes:
    return run(environment, {})


def test_every_built_in_family_is_tested_here_and_documented() -> None:
    assert set(FULL) == set(families())
    table = DOCUMENT.read_text().split("## Families")[1].split("## What")[0]
    for name in families():
        row = next(line for line in table.splitlines() if line.startswith(f"| `{name}`"))
        for parameter in family_named(name).parameters:
            low, high = (f"{round(value, 4):g}" for value in parameter.default)
            star = " *" if parameter.neutral is None else ""
            assert f"`{parameter.name}`{star} {low} to {high}" in row


@pytest.mark.parametrize("name", FULL)
def test_severity_zero_is_bitwise_no_disturbance(
    environment: PandaPickPlace, undisturbed: bytes, name: str
) -> None:
    assert run(environment, {name: neutral(name)}) == undisturbed


@pytest.mark.parametrize("name", FULL)
def test_the_same_seed_gives_the_same_disturbed_episode(
    environment: PandaPickPlace, name: str
) -> None:
    first = run(environment, {name: FULL[name]})
    run(environment, {}, seed=4)
    assert run(environment, {name: FULL[name]}) == first


def fresh_world() -> World:
    world = World(image_size=0)
    world.reset()
    mujoco.mj_forward(world.model, world.data)
    return world


def changed_parameters(name: str) -> set[str]:
    """The model parameters that differ after the family started and took a step."""
    world = fresh_world()
    before = read_parameters(world.model)
    disturbance = build_disturbance({name: FULL[name]})
    assert disturbance is not None
    disturbance.on_reset(world, np.random.default_rng(5))
    world.held = True
    for step in range(20):
        world.step = step
        disturbance.before_step(world)
    after = read_parameters(world.model)
    return {key for key in before if not np.array_equal(before[key], after[key])}


@pytest.mark.parametrize("name", FULL)
def test_only_the_named_model_parameters_change(name: str) -> None:
    assert changed_parameters(name) <= CHANGED_PARAMETERS.get(name, set())
    assert bool(changed_parameters(name)) == (name in CHANGED_PARAMETERS)


def columns(names: tuple[str, ...], before: Any, after: Any) -> set[str]:
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    return {name for name, equal in zip(names, same, strict=True) if not equal}


@pytest.mark.parametrize("name", FULL)
def test_only_the_named_columns_and_components_change(name: str) -> None:
    world = fresh_world()
    disturbance = build_disturbance({name: FULL[name]})
    assert disturbance is not None
    disturbance.on_reset(world, np.random.default_rng(5))
    perceived = np.linspace(0.1, 0.4, len(PERCEIVED))
    state = np.linspace(-1, 1, len(STATE))
    action = np.array([0.01, -0.01, 0.02, 0.03, 0.04, -0.05, 0.0])
    kept = perceived.copy(), state.copy(), action.copy()
    seen, measured, done = set(), set(), set()
    for step in range(12):
        world.step = step
        seen |= columns(
            tuple(c.name for c in PERCEIVED), perceived, disturbance.perceive(perceived, world)
        )
        measured |= columns(tuple(c.name for c in STATE), state, disturbance.measure(state, world))
        command = action.copy()
        command[-1] = step % 2
        done |= columns(DELTA_EE.names, command, disturbance.command(command, world))
    assert seen == CHANGED_PERCEPTION.get(name, set())
    assert measured == CHANGED_STATE.get(name, set())
    assert done == CHANGED_COMMANDS.get(name, set())
    for given, copy in zip((perceived, state, action), kept, strict=True):
        assert np.array_equal(given, copy)


def started(name: str, world: World, **changes: float) -> Any:
    disturbance = build_disturbance({name: FULL[name] | changes})
    assert disturbance is not None
    disturbance.on_reset(world, np.random.default_rng(5))
    return disturbance


def test_the_grip_fades_by_the_formula_from_the_delay_after_the_grasp() -> None:
    world = fresh_world()
    full = world.grip_force
    disturbance = started("fading_grip", world, rate=6.0, delay=0.2)
    for step in range(10):
        world.step = step
        disturbance.before_step(world)
    assert world.grip_force == full
    world.held = True
    forces = []
    for step in range(10, 30):
        world.step = step
        world.held = step == 10
        disturbance.before_step(world)
        forces.append(world.grip_force)
    expected = [full * math.exp(-6 * max(0, k * CONTROL_STEP - 0.2)) for k in range(20)]
    assert forces == pytest.approx(expected)


def test_cameras_slip_evenly_from_their_start_and_stay_where_they_came_to() -> None:
    world = fresh_world()
    wrist = int(world.model.camera("wrist").id)
    place, turned = world.model.cam_pos[wrist].copy(), world.model.cam_quat[wrist].copy()
    disturbance = started("camera_slip", world, shift=0.06, turn=0.1, start=0.2, duration=0.3)
    moved = []
    for step in range(25):
        world.step = step
        disturbance.before_step(world)
        moved.append(np.linalg.norm(world.model.cam_pos[wrist] - place))
    expected = [0.06 * min(max(0.0, (k * CONTROL_STEP - 0.2) / 0.3), 1.0) for k in range(25)]
    assert moved == pytest.approx(expected, abs=1e-9)
    angle = 2 * math.acos(min(1.0, abs(float(turned @ world.model.cam_quat[wrist]))))
    assert angle == pytest.approx(0.1, abs=1e-6)


def test_the_hidden_obstacle_is_there_and_taller_even_where_the_scene_had_none() -> None:
    world = fresh_world()
    world.has_obstacle = False
    world.place("obstacle", (0, 0, -3))
    disturbance = started("obstacle", world, height=0.25)
    assert world.obstacle_extents[2] == pytest.approx(0.25)
    assert world.obstacle_position[2] == pytest.approx(0.125)
    assert world.has_obstacle
    perceived = disturbance.perceive(np.ones(len(PERCEIVED)), world)
    assert np.isnan(perceived[object_slice("obstacle")]).all()


def test_cameras_see_through_the_hidden_obstacle_until_it_is_near() -> None:
    world = fresh_world()
    for sight, opaque in ((0.0, 0.0), (2.0, 1.0)):
        disturbance = started("obstacle", world, sight=sight)
        disturbance.before_step(world)
        assert world.model.geom_rgba[world.obstacle_geom, 3] == opaque


def test_low_transit_lowers_the_top_and_leaves_the_foot() -> None:
    world = fresh_world()
    perceived = np.full(len(PERCEIVED), 0.5)
    perceived[object_slice("obstacle")][[2, 9]] = 0.1, 0.2
    for missing, height in ((0.05, 0.15), (0.5, 0.005)):
        seen = started("low_transit", world, missing_height=missing).perceive(perceived, world)
        obstacle = seen[object_slice("obstacle")]
        assert obstacle[9] == pytest.approx(height)
        assert obstacle[2] - obstacle[9] / 2 == pytest.approx(0)


@pytest.mark.parametrize("name", ["obstacle", "low_transit"])
def test_the_obstacle_is_perceived_as_it_is_from_near(name: str) -> None:
    world = fresh_world()
    perceived = np.full(len(PERCEIVED), 0.5)
    disturbance = started(name, world, sight=0.1)
    x, y, _ = world.gripper_position
    half = world.obstacle_extents[0] / 2
    for gap, truth in ((0.12, False), (0.08, True), (-half, True)):
        world.place("obstacle", (x + half + gap, y, 0.1))
        seen = disturbance.perceive(perceived, world)
        assert np.array_equal(seen, perceived) == truth


@pytest.mark.parametrize("name", ["slow_down", "freezes"])
def test_absolute_joint_targets_are_slowed_from_where_the_arm_is(name: str) -> None:
    """Scaling an absolute target would drive the arm towards its zero pose."""
    world = fresh_world()
    joints = world.data.qpos[world.arm_positions].copy()
    disturbance = started(name, world)
    target = np.append(joints + 0.1, 0.0)
    world.step = 1
    done = [disturbance.command(target, world) for _ in range(8)][-1]
    share = 0.4 if name == "slow_down" else 0.0
    assert done.shape == (JOINT_POSITION.size,)
    assert done[:7] == pytest.approx(joints + share * 0.1)


def test_a_freeze_keeps_the_last_command_of_the_hand() -> None:
    world = fresh_world()
    disturbance = started("freezes", world, rate=6.0, duration=5.0)
    moving = np.array([0.01, 0, 0, 0, 0, 0, 0.0])
    while disturbance.command(moving, world)[0] != 0:
        pass
    opening = np.array([0.01, 0, 0, 0, 0, 0, 1.0])
    assert disturbance.command(opening, world)[6] in (0.0, 1.0)
    assert disturbance.command(opening, world)[:6] == pytest.approx(np.zeros(6))


def test_the_push_lasts_its_span_and_the_object_is_flicked_once() -> None:
    world = fresh_world()
    disturbance = started("external_push", world)
    hand = world.model.body("hand").id
    pushed = []
    for step in range(12):
        world.clear_pushes()
        world.step = step
        disturbance.before_step(world)
        pushed.append(float(np.linalg.norm(world.data.xfrc_applied[hand, :3])))
    assert pushed[:3] == [0, 0, 0]
    assert pushed[3:6] == pytest.approx([60, 60, 60])
    assert pushed[6:] == [0] * 6
    assert world.object_velocity == pytest.approx([0.5 * math.cos(0.5), 0.5 * math.sin(0.5), 0])


def test_two_families_act_together_and_draw_apart() -> None:
    world = fresh_world()
    both = {"slow_down": FULL["slow_down"], "gripper_glitch": FULL["gripper_glitch"]}
    disturbance = build_disturbance(both)
    assert disturbance is not None
    disturbance.on_reset(world, np.random.default_rng(5))
    action = np.array([0.01, 0, 0, 0, 0, 0, 0.0])
    done = np.array([disturbance.command(action, world) for _ in range(30)])
    assert done[:, 0] == pytest.approx(np.full(30, 0.004))
    assert set(done[:, 6]) == {0.0, 1.0}


def test_a_disturbance_tells_what_it_is() -> None:
    description = {"slow_down": FULL["slow_down"] | {"severity": 0.7}, "mass": FULL["mass"]}
    disturbance = build_disturbance(description)
    assert disturbance is not None
    assert disturbance.to_json() == description


def test_an_episode_goes_on_bitwise_from_a_snapshot_with_its_disturbance() -> None:
    environment = PandaPickPlace(image_size=0)
    names = ("freezes", "sensor_noise")
    disturbance = build_disturbance({name: FULL[name] for name in names})
    environment.reset(seed=3, options={"disturbance": disturbance})
    action = np.array([0.01, 0, -0.005, 0, 0, 0, 1.0])
    for _ in range(10):
        environment.step(action)
    snapshot = environment.snapshot()
    runs = []
    for _ in range(2):
        observed = [environment.step(action)[0] for _ in range(15)]
        runs.append(b"".join(o["state"].tobytes() + o["perceived"].tobytes() for o in observed))
        environment.restore(snapshot)
    assert runs[0] == runs[1]


def documented_family() -> type[Family]:
    """The example of docs/DISTURBANCES.md."""
    example = DOCUMENT.read_text().split("```python")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(example, names)
    tremor: type[Family] = names["Tremor"]
    return tremor


Tremor = documented_family()


class Point:
    """Stands for an installed package's entry point."""

    def __init__(self, name: str, target: object) -> None:
        self.name, self.value, self._target = name, "somewhere:Something", target

    def load(self) -> object:
        return self._target


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Point], None]]:
    def replace(point: Point) -> None:
        registry.families.cache_clear()
        monkeypatch.setattr(registry, "entry_points", lambda group: [point])

    yield replace
    monkeypatch.undo()
    registry.families.cache_clear()


def test_another_package_can_register_a_family(register: Callable[[Point], None]) -> None:
    register(Point("tremor", Tremor))
    assert list(families())[-1] == "tremor"
    mix = load_mix("tremor")
    assert mix.draw(np.random.default_rng(0))["tremor"]["size"] <= 0.01


@pytest.mark.parametrize(
    ("point", "words"),
    [
        (Point("tremor", print), "no subclass"),
        (Point("shake", Tremor), "names must agree"),
        (Point("mass", registry.families()["mass"]), "must agree and be new"),
    ],
)
def test_a_wrong_registration_is_refused(
    register: Callable[[Point], None], point: Point, words: str
) -> None:
    register(point)
    with pytest.raises(FormatError, match=words):
        families()


def test_nothing_is_disturbed_without_a_description() -> None:
    assert build_disturbance({}) is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"factor": 2.0}, ["slow_down.factor", "2", "0.01 to 1"]),
        ({"factor": "slow"}, ["slow_down.factor", "'slow'", "number"]),
        ({"factor": float("nan")}, ["slow_down.factor", "nan"]),
        ({}, ["slow_down", "factor", "missing"]),
        ({"factor": 0.5, "speed": 1}, ["slow_down", "speed", "factor"]),
    ],
)
def test_wrong_parameters_are_refused(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(FormatError) as caught:
        build_disturbance({"slow_down": values})
    assert all(word in str(caught.value) for word in words)


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="fading_grip"):
        build_disturbance({"gremlins": {}})

"""The localiser: its truth, its file, and a policy that has it beside it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from salus_collector.perception import frames
from salus_collector.perception.localiser import Localiser, Sighting, shrink
from salus_collector.perception.memory import KEPT, ODDS_KEPT, StillMemory
from salus_collector.perception.network import LocaliserNetwork
from salus_collector.perception.seeing import SeeingPolicy
from salus_collector.perception.signals import VISUAL_COLUMNS, visual_signals
from salus_collector.perception.targets import (
    BIN,
    OBSTACLE,
    ORIGIN,
    PIXELS,
    QUANTITIES,
    in_base_frame,
    in_gripper_frame,
    truth,
)
from salus_collector.perception.train import fit, measure
from salus_collector.plan import plan_episode
from salus_collector.policy.expert import Expert
from salus_collector.policy.intent import Plan
from salus_collector.rollout import rollout
from salus_collector.sim.disturbance_config import NO_DISTURBANCES
from salus_collector.sim.environment import PandaPickPlace
from salus_data.errors import FormatError
from salus_data.layout import EE_POSITION, EE_QUATERNION, object_slice
from salus_data.types import Validity


@pytest.fixture(scope="module")
def localiser() -> Localiser:
    torch.manual_seed(0)
    return Localiser(LocaliserNetwork(), "0123456789abcdef")


def state_at(position: list[float]) -> np.ndarray:
    state = np.zeros(34)
    state[EE_POSITION], state[EE_QUATERNION] = position, (1.0, 0.0, 0.0, 0.0)  # points down
    return state


def test_below_the_hand_is_ahead_of_it() -> None:
    offset = in_gripper_frame(np.array([0.5, 0.0, 0.1]), state_at([0.5, 0.0, 0.3]))
    assert offset == pytest.approx([0, 0, 0.2])


def test_a_point_comes_back_from_the_gripper_frame() -> None:
    state = state_at([0.5, 0.0, 0.3])
    state[EE_QUATERNION] = np.array([0.8, 0.5, 0.2, 0.1]) / np.linalg.norm([0.8, 0.5, 0.2, 0.1])
    point = np.array([0.4, -0.1, 0.05])
    assert in_base_frame(in_gripper_frame(point, state), state) == pytest.approx(point)


def test_an_absent_obstacle_has_no_place_and_a_turned_cube_looks_the_same() -> None:
    objects = np.full(30, np.nan)
    objects[object_slice("bin")] = [0.5, 0.2, 0, 0, 0, 0, 1, 0.1, 0.1, 0.1]
    turns = []
    for yaw in (0.3, 0.3 + np.pi / 2):
        quaternion = [0, 0, np.sin(yaw / 2), np.cos(yaw / 2)]
        objects[object_slice("object")] = [0.5, 0, 0.02, *quaternion, 0.04, 0.04, 0.04]
        values, present = truth(state_at([0.5, 0.0, 0.3]), objects)
        assert not present
        assert values[OBSTACLE] == pytest.approx(ORIGIN[OBSTACLE])
        assert values[BIN] == pytest.approx([0.5, 0.2])
        turns.append(values[3:5])
    assert turns[0] == pytest.approx([np.cos(1.2), np.sin(1.2)], abs=1e-6)
    assert turns[0] == pytest.approx(turns[1], abs=1e-6)


def sighting(log_odds: float = 3.0, doubt: float = 0.01, **values: float) -> Sighting:
    all_values = ORIGIN.copy()
    for name, value in values.items():
        all_values[QUANTITIES.index(name.replace("_", "."))] = value
    return Sighting(all_values, np.full(len(QUANTITIES), doubt), log_odds)


def test_signals_say_when_belief_and_sight_part() -> None:
    state, perceived = state_at([0.5, 0.0, 0.3]), np.full(30, np.nan)
    perceived[object_slice("object")] = [0.53, 0, 0.1, 0, 0, 0, 1, 0.04, 0.04, 0.04]
    path = np.linspace([0.5, 0, 0.3], [0.5, 0, 0.1], 13)
    seen = sighting(object_z=0.2, obstacle_x=0.6, obstacle_y=0.0, obstacle_top=0.2)
    values, validity = visual_signals(seen, state, perceived, Plan(path, 6, 12))
    named = dict(zip((column.name for column in VISUAL_COLUMNS), values, strict=True))
    assert (validity == Validity.VALID).all()
    assert named["seen_object_gap"] == pytest.approx(0.03)
    assert named["seen_obstacle_clearance"] == pytest.approx(0.07)
    assert named["seen_obstacle_margin"] == pytest.approx(0.1)
    assert named["seen_planned_clearance"] == pytest.approx(0.07)
    assert named["seen_planned_object_z"] == pytest.approx(0.1)  # the plan closes at 0.2 m
    values, validity = visual_signals(sighting(-3.0), state, np.full(30, np.nan))
    assert np.isnan(values[5:]).all()
    assert (validity[5:8] == Validity.NOT_PERCEIVED).all()
    assert (validity[8:] == Validity.NOT_PROVIDED).all()


def test_what_stands_still_is_averaged_by_its_doubt_and_the_object_is_not() -> None:
    memory = StillMemory()
    memory.update(sighting(4.0, doubt=0.01, obstacle_x=0.5, object_x=0.1))
    both = memory.update(sighting(1.0, doubt=0.02, obstacle_x=0.4, object_x=0.3))
    first = 4 * KEPT
    expected = (first * 0.5 + 0.4) / (first + 1)
    assert both.values[QUANTITIES.index("obstacle.x")] == pytest.approx(expected)
    assert both.values[QUANTITIES.index("object.x")] == pytest.approx(0.3)
    assert both.obstacle_log_odds == pytest.approx((4 * ODDS_KEPT + 1) / (ODDS_KEPT + 1))
    memory.reset()
    alone = memory.update(sighting(obstacle_x=0.4))
    assert alone.values[QUANTITIES.index("obstacle.x")] == pytest.approx(0.4)


def test_an_obstacle_that_shows_late_counts_at_once_and_frames_without_it_do_not() -> None:
    memory = StillMemory()
    for _ in range(60):
        memory.update(sighting(-6.0, doubt=0.01, obstacle_x=0.9))
    for _ in range(3):
        seen = memory.update(sighting(6.0, doubt=0.03, obstacle_x=0.45))
    assert seen.obstacle > 0.9
    assert seen.values[QUANTITIES.index("obstacle.x")] == pytest.approx(0.45)


def test_frames_show_other_obstacles_and_leave_the_episode_as_it_is() -> None:
    environment = PandaPickPlace(image_size=0)
    world = environment.world
    plan = plan_episode(7, 0, NO_DISTURBANCES)
    random, ends = np.random.default_rng(0), []
    for shown in (False, True):
        tops: set[float] = set()

        def look(step: object, shown: bool = shown, tops: set[float] = tops) -> None:
            if shown:
                with frames.another_obstacle(world, random):
                    tops.add(float(world.obstacle_extents[2]))

        record = rollout(environment, Expert(), plan, on_step=look)
        ends.append((record, world.data.qpos.tobytes()))
    environment.close()
    assert ends[0] == ends[1]
    assert len(tops) > 20


def test_shrinking_averages_and_refuses_other_sizes() -> None:
    image = np.zeros((2 * PIXELS, 2 * PIXELS, 3), np.uint8)
    image[::2, ::2] = 200
    assert (shrink(image) == 50).all()
    with pytest.raises(FormatError, match="100 x 100"):
        shrink(np.zeros((100, 100, 3), np.uint8))


def test_a_file_gives_back_what_was_saved(localiser: Localiser, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    localiser.save(path, {"asked": "nothing"})
    again = Localiser.load(path)
    images = {c: np.full((PIXELS, PIXELS, 3), 99, np.uint8) for c in ("front", "wrist")}
    one = localiser.look(images, state_at([0.4, 0.1, 0.3]))
    two = again.look(images, state_at([0.4, 0.1, 0.3]))
    assert two.values == pytest.approx(one.values, abs=1e-2)  # float16
    assert again.digest


def test_a_bad_file_is_refused_by_name(localiser: Localiser, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such file"):
        Localiser.load(tmp_path / "missing.safetensors")
    path = tmp_path / "cut.safetensors"
    localiser.save(path, {})
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FormatError, match=r"cut\.safetensors"):
        Localiser.load(path)


def test_a_seeing_policy_acts_as_the_policy_does(localiser: Localiser) -> None:
    plan = plan_episode(7, 0, NO_DISTURBANCES)
    actions: dict[str, list[np.ndarray]] = {"blind": [], "seeing": []}
    widths: list[int] = []
    environment = PandaPickPlace(image_size=PIXELS, step_limit=25)
    for name, policy in (("blind", Expert()), ("seeing", SeeingPolicy(Expert(), localiser))):
        rollout(
            environment,
            policy,
            plan,
            on_step=lambda step, name=name: (
                actions[name].append(step.action),
                widths.append(len(step.decision.signals)),
            ),
        )
    environment.close()
    assert np.array_equal(actions["blind"], actions["seeing"])
    assert set(widths) == {0, len(VISUAL_COLUMNS)}


def test_the_shipped_one_sees_the_object_within_a_centimetre() -> None:
    seen = Localiser.load()
    errors = []
    for part in frames.expert_frames(3, 4242, NO_DISTURBANCES):
        for images, values, pose in zip(part.images, part.values, part.pose, strict=True):
            found = seen.locate(images, pose)
            errors.append(np.abs(found.values[:3] - values[:3]))
    assert np.median(errors, axis=0).max() < 0.01


def test_training_writes_a_file_that_can_be_loaded(tmp_path: Path) -> None:
    parts = list(frames.expert_frames(4, 11, NO_DISTURBANCES))
    fields = ("images", "pose", "values", "present")
    whole = frames.Frames(*(np.concatenate([getattr(p, f) for p in parts]) for f in fields))
    network = fit(whole, len(whole) - 4, epochs=1, seed=0)
    Localiser(network).save(tmp_path / "w.safetensors", {})
    assert set(measure(network, whole, np.arange(4))) >= {"object.z.median_error"}
    assert Localiser.load(tmp_path / "w.safetensors").digest
